//! SIGINT and SIGTERM: the first ends the run in order, a second one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use moodle_backup::error::{Error, Kind, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Why the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The command is done.
    Ended,
    /// The signal with this name came.
    Signal(&'static str),
}

/// Waits for what comes first.
pub(crate) struct Interrupts {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    /// How the terminal was: a question for a passphrase turns its echo off.
    terminal: Option<Termios>,
}

/// Tells the end of a command when it goes: also when that panics.
pub(crate) struct Ended(Sender<Event>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send(Event::Ended).ok();
    }
}

impl Interrupts {
    /// Begins to catch signals.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn catch() -> Result<Self> {
        let failed = |error| Error::new(Kind::Local, "signals can't be caught", "").because(error);
        let (sender, receiver) = crossbeam_channel::bounded(2);
        let already = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let code = Kind::Interrupted.exit_code().into();
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&already)).map_err(failed)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let told = sender.clone();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                already.store(true, Ordering::SeqCst);
                told.send(Event::Signal(if signal == SIGINT { "SIGINT" } else { "SIGTERM" })).ok();
            }
        });
        Ok(Self { sender, receiver, terminal: tcgetattr(std::io::stdin()).ok() })
    }

    /// Returns what tells the command's end.
    pub(crate) fn ended(&self) -> Ended {
        Ended(self.sender.clone())
    }

    /// Returns what came first.
    pub(crate) fn wait(&self) -> Event {
        let event = self.receiver.recv().unwrap_or(Event::Ended);
        if let (Event::Signal(_), Some(terminal)) = (event, &self.terminal) {
            tcsetattr(std::io::stdin(), OptionalActions::Now, terminal).ok();
        }
        event
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use super::{Event, Interrupts};

    #[test]
    fn a_command_that_panics_has_ended() {
        let interrupts = Interrupts::catch().unwrap();
        let ended = interrupts.ended();
        let command = std::thread::spawn(move || {
            let _ended = ended;
            panic!("a defect");
        });
        assert_eq!(interrupts.wait(), Event::Ended);
        assert!(command.join().is_err());
    }
}
