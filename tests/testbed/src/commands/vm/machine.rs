//! A running machine: qemu without hardware virtualization, which not every host has.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};
use testbed::{Progress, Stopwatch, tail};

use super::super::interrupt::Interrupt;
use super::image::Image;

/// The beginning of the machine's lines that are for the testbed.
const MARK: &str = "testbed-vm: ";
/// The kernel's command line. Without word that the CPUs' own clock is good, a busy host makes the
/// kernel distrust it, and each look at another clock is slow. No mitigation is of use here.
const KERNEL: &str = "root=/dev/vda rw console=ttyS0 tsc=reliable clocksource=tsc mitigations=off";
/// The time between two checks whether the run was interrupted.
const OFTEN: Duration = Duration::from_millis(200);
/// Seconds of work until a machine is up, on a host whose CPUs are free.
const BOOT: u64 = 60;

/// Ends when dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    /// The file with the output of the machine's kernel and systemd.
    console: PathBuf,
    lines: Receiver<Vec<u8>>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    /// Boots a machine whose second disk is `disk`. Its console's output is in `folder`.
    pub fn start(image: &Image, disk: &Path, folder: &Path, memory: u32) -> Result<Self> {
        let console = folder.join("console.log");
        let drive = |path: &Path| {
            let path = path.display();
            format!("file={path},format=raw,if=virtio,snapshot=on,cache=unsafe")
        };
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max"])
            .args(["-smp", &cpus.to_string(), "-m", &memory.to_string()])
            .args([
                "-nodefaults",
                "-display",
                "none",
                "-nic",
                "none",
                "-no-reboot",
            ])
            .args(["-device", "virtio-rng-pci"])
            .args(["-append", KERNEL])
            .arg("-kernel")
            .arg(image.kernel())
            .arg("-initrd")
            .arg(image.initrd())
            .args(["-drive", &drive(&image.disk()), "-drive", &drive(disk)])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-chardev", "stdio,id=output,signal=off"])
            .args(["-serial", "chardev:output"])
            // Where it keeps what the machine writes to its disks.
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let follow = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec the closure makes one system call; it takes no lock and allocates nothing.
        unsafe { qemu.pre_exec(follow) };
        let mut qemu = qemu.spawn().context("starting qemu-system-x86_64")?;
        let stdout = qemu.stdout.take().context("qemu has no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || read(stdout, &sender));
        Ok(Self {
            qemu,
            console,
            lines,
        })
    }

    /// The machine's next line; none if it is off, or says nothing for so long.
    fn line(&self, patience: Duration, interrupt: &Interrupt) -> Result<Option<Vec<u8>>> {
        let begun = Stopwatch::start();
        while begun.elapsed() < patience {
            ensure!(!interrupt.asked(), "interrupted; the machine is off");
            match self.lines.recv_timeout(OFTEN) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Passes the command's output on until the machine is off, and returns its exit code.
    pub fn finish(mut self) -> Result<u8> {
        let interrupt = Interrupt::watch()?;
        let begun = Stopwatch::start();
        match self.line(testbed::longest(BOOT), &interrupt)? {
            Some(line) if line.starts_with(MARK.as_bytes()) => {}
            _ => bail!(
                "the machine did not come up; the end of its console:\n{}",
                tail(&self.console)
            ),
        }
        Progress::new(false).took("booting the machine", begun.elapsed());
        let mut code = None;
        while let Some(line) = self.line(Duration::MAX, &interrupt)? {
            match exit_code(&line) {
                Some(found) => code = Some(found),
                None => std::io::stdout()
                    .write_all(&line)
                    .and_then(|()| std::io::stdout().flush())
                    .context("passing the machine's output on")?,
            }
        }
        let status = self.qemu.wait().context("waiting for qemu")?;
        code.with_context(|| {
            format!(
                "the machine ended ({status}) before its command did; the end of its console:\n{}",
                tail(&self.console)
            )
        })
    }
}

/// Sends each line of the machine, until there are no more.
fn read(stdout: impl Read, sender: &Sender<Vec<u8>>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    // Where qemu's end of the pipe is gone, so is qemu.
    while stdout
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        if sender.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

/// The command's exit code, if the line has it.
fn exit_code(line: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_prefix(MARK)?.strip_prefix("exit code ")?;
    text.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_in_a_line_of_its_own() {
        assert_eq!(exit_code(b"testbed-vm: exit code 101\r\n"), Some(101));
        assert_eq!(exit_code(b"exit code 1\n"), None);
        assert_eq!(exit_code(b"testbed-vm: up\n"), None);
    }
}
