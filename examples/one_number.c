/* SPDX-License-Identifier: MIT */
/* A program of one file that uses an installed libmpsc: see cmake/ and meson/ beside it, or
 *
 *      cc one_number.c $(pkg-config --cflags --libs mpsc) -o one_number
 */
#include <mpsc.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int number;
    if (mpsc_channel(sizeof number, &tx, &rx) != MPSC_OK)
        return 1;
    if (fork() == 0)
        return mpsc_send(tx, &(int){42}, sizeof(int)) != MPSC_OK;
    mpsc_sender_close(tx);
    mpsc_status status = mpsc_recv(rx, &number, sizeof number, NULL);
    mpsc_receiver_close(rx);
    wait(NULL);
    if (status != MPSC_OK) {
        fprintf(stderr, "one_number: %s\n", mpsc_strstatus(status));
        return 1;
    }
    printf("libmpsc %s, Got: %d\n", mpsc_version(), number);
    return 0;
}
