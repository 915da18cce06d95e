//! A queue between a device's callback and the engine that neither blocks, locks nor allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicU64, AtomicUsize, Ordering};

/// Makes a queue of at least so many samples, for one writer and one reader.
pub(super) fn ring(samples: usize) -> (Writer, Reader) {
    let size = samples.max(1).next_power_of_two();
    let shared = Arc::new(Shared {
        slots: (0..size).map(|_| AtomicI16::new(0)).collect(),
        written: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
        lost: AtomicU64::new(0),
    });
    (Writer(Arc::clone(&shared)), Reader(shared))
}

#[derive(Debug)]
struct Shared {
    slots: Box<[AtomicI16]>,
    /// Counted on for ever (wrapping): the place is the remainder.
    written: AtomicUsize,
    read: AtomicUsize,
    /// Samples that found no room.
    lost: AtomicU64,
}

impl Shared {
    fn len(&self) -> usize {
        self.written.load(Ordering::Acquire).wrapping_sub(self.read.load(Ordering::Acquire))
    }

    fn slot(&self, position: usize) -> Option<&AtomicI16> {
        self.slots.get(position & (self.slots.len() - 1))
    }
}

#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// Queues what fits; the rest is lost.
    pub(super) fn write(&mut self, samples: impl Iterator<Item = i16>) {
        let start = self.0.written.load(Ordering::Relaxed);
        let room = self.0.slots.len() - self.0.len();
        let (mut count, mut lost) = (0, 0);
        for sample in samples {
            if count == room {
                lost += 1;
                continue;
            }
            if let Some(slot) = self.0.slot(start.wrapping_add(count)) {
                slot.store(sample, Ordering::Relaxed);
            }
            count += 1;
        }
        // What was stored is seen by whoever sees the new count.
        self.0.written.store(start.wrapping_add(count), Ordering::Release);
        if lost > 0 {
            self.0.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Debug)]
pub(super) struct Reader(Arc<Shared>);

impl Reader {
    /// Takes the oldest samples into `out`, and says how many there were.
    pub(super) fn read(&mut self, out: &mut [i16]) -> usize {
        let start = self.0.read.load(Ordering::Relaxed);
        let count = self.0.len().min(out.len());
        for (offset, sample) in out.iter_mut().take(count).enumerate() {
            *sample = self.0.slot(start.wrapping_add(offset)).map_or(0, |slot| slot.load(Ordering::Relaxed));
        }
        self.0.read.store(start.wrapping_add(count), Ordering::Release);
        count
    }

    /// Drops the oldest samples until so many are left.
    pub(super) fn keep(&mut self, samples: usize) {
        let excess = self.len().saturating_sub(samples);
        let start = self.0.read.load(Ordering::Relaxed);
        self.0.read.store(start.wrapping_add(excess), Ordering::Release);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_out_in_order_and_what_finds_no_room_is_lost() {
        let (mut writer, mut reader) = ring(8);
        let mut out = [0; 5];
        let mut next = 0;
        for round in 0..1_000_i16 {
            writer.write((0..5).map(|n| round.wrapping_mul(5).wrapping_add(n)));
            assert_eq!(reader.read(&mut out), 5);
            for sample in out {
                assert_eq!(sample, next);
                next = next.wrapping_add(1);
            }
        }
        writer.write(0..12);
        assert_eq!((reader.len(), writer.0.lost.load(Ordering::Relaxed)), (8, 4));
        reader.keep(2);
        assert_eq!(reader.read(&mut out), 2);
        assert_eq!(out.get(..2), Some(&[6, 7][..]));
    }

    #[test]
    fn two_threads_see_the_same_stream() {
        let (mut writer, mut reader) = ring(256);
        let sender = std::thread::spawn(move || {
            let mut sent = 0_i32;
            while sent < 200_000 {
                if writer.len() < 200 {
                    writer.write((sent..sent + 50).map(|n| n as i16));
                    sent += 50;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let (mut seen, mut out) = (0_i32, [0; 64]);
        while seen < 200_000 {
            let count = reader.read(&mut out);
            for sample in &out[..count] {
                assert_eq!(*sample, seen as i16);
                seen += 1;
            }
            if count == 0 {
                std::thread::yield_now();
            }
        }
        assert!(sender.join().is_ok());
    }
}
