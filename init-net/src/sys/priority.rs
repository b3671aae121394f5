//! How soon this process runs when others want the processor, too.

use std::io;

/// SCHED_RESET_ON_FORK, include/uapi/linux/sched.h: children begin as if nothing had been asked for.
const RESET_ON_FORK: libc::c_int = 0x4000_0000;

/// The most that an ordinary process gets.
const NICE: libc::c_int = -20;

/// Runs before every ordinary process from now on; its children do not. Needs CAP_SYS_NICE.
pub fn raise() -> io::Result<()> {
    // SAFETY: a plain struct of integers, for which all zeros is a value.
    let parameters: libc::sched_param = unsafe { core::mem::zeroed() };
    let policy = libc::SCHED_OTHER | RESET_ON_FORK;
    // SAFETY: `parameters` lives through the call; 0 is this thread, the only one.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes no pointer.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_ordinary() {
        let thread = std::thread::spawn(|| {
            raise().unwrap();
            // SAFETY: takes no pointer.
            let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
            let child = std::process::Command::new("/bin/sh");
            let mut child = child;
            let output = child
                .args(["-c", "cut -d' ' -f19 /proc/self/stat"])
                .output();
            (own, String::from_utf8(output.unwrap().stdout).unwrap())
        });
        let (own, child) = thread.join().unwrap();
        assert_eq!((own, child.trim()), (NICE, "0"));
    }
}
