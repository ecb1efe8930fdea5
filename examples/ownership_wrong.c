/* SPDX-License-Identifier: MIT */
/*
 * Ownership, broken twice: this program must not compile cleanly. It is never built or run, only
 * compiled by the tests, which require the diagnostics.
 *
 * In Rust:
 *
 *      let val = String::from("hi");
 *      tx.send(val).unwrap();
 *      println!("val is {val}");
 *
 *      error[E0382]: borrow of moved value: `val`
 *       |    let val = String::from("hi");
 *       |        --- move occurs because `val` has type `String`, which does not implement
 *       |            the `Copy` trait
 *       |    tx.send(val).unwrap();
 *       |            --- value moved here
 *       |    println!("val is {val}");
 *       |                     ^^^^^ value borrowed here after move
 *
 * Here, with GCC 12 or later:
 *
 *      $ gcc -Wall -Werror -Iinclude -c examples/ownership_wrong.c
 *      error: pointer 'val' used after 'mpsc_send_loan' [-Werror=use-after-free]
 *      error: pointer 'received' used after 'mpsc_release' [-Werror=use-after-free]
 */
#include <mpsc.h>
#include <stdio.h>
#include <string.h>

mpsc_status send_and_look(mpsc_sender *tx);
mpsc_status receive_and_look(mpsc_receiver *rx);

mpsc_status send_and_look(mpsc_sender *tx)
{
    mpsc_status status;
    char *val = mpsc_loan(tx, sizeof "hi", &status);
    if (!val)
        return status;
    memcpy(val, "hi", sizeof "hi");
    status = mpsc_send_loan(tx, val, sizeof "hi");
    printf("val is %s\n", val); /* wrong: it is the receiver's now */
    return status;
}

mpsc_status receive_and_look(mpsc_receiver *rx)
{
    mpsc_status status;
    const char *received = mpsc_peek(rx, NULL, &status);
    if (!received)
        return status;
    status = mpsc_release(rx, received);
    printf("Got: %s\n", received); /* wrong: a sender may be writing there now */
    return status;
}
