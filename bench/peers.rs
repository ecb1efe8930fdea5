// SPDX-License-Identifier: MIT
//! Rust's own channels, and crossbeam's where it is there: for transport_rust.c. A message is a value of so
//! many bytes, which is moved; the loops are here, so that nothing but the channel is between two messages.

use std::marker::PhantomData;
use std::sync::mpsc;

const BOUND: usize = 1024;

trait Tx<M> {
    fn put(&self, message: M);
}

trait Rx<M> {
    fn take(&self) -> M;
}

trait Lane {
    fn send(&self, producer: usize, first: u64, count: u64);
    fn receive(&self, count: u64) -> u64;
}

struct Ends<const N: usize, T, R> {
    senders: Vec<T>,
    receiver: R,
    message: PhantomData<[u8; N]>,
}

impl<const N: usize, T: Tx<[u8; N]>, R: Rx<[u8; N]>> Lane for Ends<N, T, R> {
    fn send(&self, producer: usize, first: u64, count: u64) {
        let sender = &self.senders[producer];
        let mut message = [0; N];
        for number in first..first + count {
            message[..8].copy_from_slice(&number.to_ne_bytes());
            sender.put(message);
        }
    }

    fn receive(&self, count: u64) -> u64 {
        let mut sum = 0u64;
        for _ in 0..count {
            let message = self.receiver.take();
            let mut number = [0; 8];
            number.copy_from_slice(&message[..8]);
            sum = sum.wrapping_add(u64::from_ne_bytes(number));
        }
        sum
    }
}

macro_rules! is_a_channel {
    ($tx:ty, $rx:ty) => {
        impl<M> Tx<M> for $tx {
            fn put(&self, message: M) {
                if self.send(message).is_err() {
                    panic!("the receiver is gone");
                }
            }
        }
        is_a_channel!($rx);
    };
    ($rx:ty) => {
        impl<M> Rx<M> for $rx {
            fn take(&self) -> M {
                self.recv().expect("a sender")
            }
        }
    };
}

is_a_channel!(mpsc::SyncSender<M>, mpsc::Receiver<M>);
impl<M> Tx<M> for mpsc::Sender<M> {
    fn put(&self, message: M) {
        if self.send(message).is_err() {
            panic!("the receiver is gone");
        }
    }
}
#[cfg(crossbeam)]
is_a_channel!(crossbeam_channel::Sender<M>, crossbeam_channel::Receiver<M>);

fn lane<const N: usize, T, R>((sender, receiver): (T, R), producers: usize) -> Box<dyn Lane>
where
    T: Tx<[u8; N]> + Clone + 'static,
    R: Rx<[u8; N]> + 'static,
{
    let senders = vec![sender; producers];
    Box::new(Ends { senders, receiver, message: PhantomData })
}

fn open<const N: usize>(kind: u32, producers: usize) -> Box<dyn Lane> {
    match kind {
        0 => lane::<N, _, _>(mpsc::sync_channel(BOUND), producers),
        1 => lane::<N, _, _>(mpsc::channel(), producers),
        #[cfg(crossbeam)]
        2 => lane::<N, _, _>(crossbeam_channel::bounded(BOUND), producers),
        #[cfg(crossbeam)]
        3 => lane::<N, _, _>(crossbeam_channel::unbounded(), producers),
        _ => panic!("no channel of kind {}", kind),
    }
}

/// The caller's threads use a sender each, and one of them the receiver: nothing is shared.
pub struct Opened(Box<dyn Lane>);

#[no_mangle]
pub extern "C" fn rust_open(kind: u32, size: usize, producers: u32) -> *mut Opened {
    let producers = producers as usize;
    let lane = match size {
        8 => open::<8>(kind, producers),
        64 => open::<64>(kind, producers),
        256 => open::<256>(kind, producers),
        4096 => open::<4096>(kind, producers),
        _ => panic!("no messages of {} bytes", size),
    };
    Box::into_raw(Box::new(Opened(lane)))
}

/// # Safety
/// `lane` is of `rust_open`, and nobody else sends as this producer.
#[no_mangle]
pub unsafe extern "C" fn rust_send(lane: *mut Opened, producer: u32, first: u64, count: u64) {
    (*lane).0.send(producer as usize, first, count)
}

/// # Safety
/// `lane` is of `rust_open`, and nobody else receives.
#[no_mangle]
pub unsafe extern "C" fn rust_receive(lane: *mut Opened, count: u64) -> u64 {
    (*lane).0.receive(count)
}

/// # Safety
/// `lane` is of `rust_open`, and nobody uses it any more.
#[no_mangle]
pub unsafe extern "C" fn rust_close(lane: *mut Opened) {
    drop(Box::from_raw(lane))
}
