//! seccomp(2): which system calls this process, and what it starts, may make from now on.

use std::io;

use libc::{c_long, sock_filter, sock_fprog};

/// One system call that is spoken of.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// For people, and for comparing lists.
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: c_long,
    /// When it is allowed.
    pub condition: Condition,
}

/// What the arguments of a call must be like. Arguments are looked at in their lower 32 bits: they are ints or flags.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// Anything.
    Any,
    /// The argument of this number is one of these.
    OneOf(u8, &'static [u32]),
    /// The argument of this number has none of these bits.
    Without(u8, u32),
    /// Never: it fails with ENOSYS, as on a kernel before it, and who asked takes the older call.
    Absent,
}

/// AUDIT_ARCH_* of include/uapi/linux/audit.h. A call of another architecture has other numbers.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are another architecture's in the clothes of this one (x32: __X32_SYSCALL_BIT); none elsewhere.
const FOREIGN: u32 = 0x4000_0000;

// Offsets in struct seccomp_data (include/uapi/linux/seccomp.h); both architectures are little-endian.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;

/// Refused calls go to the kernel's log (4.14).
const SECCOMP_FILTER_FLAG_LOG: libc::c_ulong = 1 << 1;

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Skips `then` instructions when equal, `otherwise` when not.
fn jump_if_equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ, then, otherwise, value)
}

fn answer(action: u32) -> sock_filter {
    instruction(libc::BPF_RET, 0, 0, action)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    // Codes of BPF have 16 bits.
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

fn refuse(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

/// The filter: `calls` as they say, everything else fails with EPERM, a call of another architecture kills the process.
fn program(calls: &[Call]) -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCH),
        jump_if_equal(ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
        instruction(libc::BPF_JMP | libc::BPF_JGE, 0, 1, FOREIGN),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    for call in calls {
        let judged = judge(call.condition);
        // A list of values is at most some dozens long.
        let length =
            u8::try_from(judged.len()).expect("a condition of fewer than 256 instructions");
        let number = u32::try_from(call.number).expect("system calls are numbered from 0");
        program.push(jump_if_equal(number, 0, length));
        program.extend(judged);
    }
    program.push(refuse(libc::EPERM));
    program
}

/// What becomes of a call; always ends with an answer.
fn judge(condition: Condition) -> Vec<sock_filter> {
    let allow = answer(libc::SECCOMP_RET_ALLOW);
    let argument = |number: u8| load(ARGUMENTS + 8 * u32::from(number));
    match condition {
        Condition::Any => vec![allow],
        Condition::Absent => vec![refuse(libc::ENOSYS)],
        Condition::Without(number, bits) => vec![
            argument(number),
            instruction(libc::BPF_JMP | libc::BPF_JSET, 1, 0, bits),
            allow,
            refuse(libc::EPERM),
        ],
        Condition::OneOf(number, values) => {
            let mut judged = vec![argument(number)];
            for value in values {
                judged.extend([jump_if_equal(*value, 0, 1), allow]);
            }
            judged.push(refuse(libc::EPERM));
            judged
        }
    }
}

/// Puts the filter of `calls` in force for this thread and what it starts, for good. no_new_privs must be set.
///
/// What is not listed fails with EPERM and a line in the kernel's log: a call on a path that nobody thought of costs what
/// asked for it, and is seen; killing the process would cost the network, and as PID 1 the machine.
pub fn install(calls: &[Call]) -> io::Result<()> {
    let mut filter = program(calls);
    let program = sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_mut_ptr(),
    };
    let install = |flags: libc::c_ulong| {
        // SAFETY: `program` points to `filter`, of that length, and both outlive the call, which copies them.
        match unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    install(SECCOMP_FILTER_FLAG_LOG).or_else(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => install(0),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: [Call; 4] = [
        Call {
            name: "read",
            number: 10,
            condition: Condition::Any,
        },
        Call {
            name: "socket",
            number: 11,
            condition: Condition::OneOf(0, &[1, 16]),
        },
        Call {
            name: "mmap",
            number: 12,
            condition: Condition::Without(2, 4),
        },
        Call {
            name: "clone3",
            number: 13,
            condition: Condition::Absent,
        },
    ];

    /// Runs the filter as the kernel would.
    fn run(architecture: u32, number: u32, arguments: [u32; 3]) -> u32 {
        let program = program(&CALLS);
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let skip = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match u32::from(step.code) {
                0x20 => {
                    loaded = match step.k {
                        0 => number,
                        4 => architecture,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                0x15 => at += skip(loaded == step.k),
                0x35 => at += skip(loaded >= step.k),
                0x45 => at += skip(loaded & step.k != 0),
                0x06 => return step.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        let here = |number, arguments| run(ARCHITECTURE, number, arguments);
        let refused = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        assert_eq!(here(10, [0; 3]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(here(9, [0; 3]), refused(libc::EPERM));
        assert_eq!(here(11, [16, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(here(11, [17, 0, 0]), refused(libc::EPERM));
        assert_eq!(here(12, [9, 9, 3]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(here(12, [0, 0, 5]), refused(libc::EPERM));
        assert_eq!(here(13, [0; 3]), refused(libc::ENOSYS));
        let killed = libc::SECCOMP_RET_KILL_PROCESS;
        assert_eq!(run(0x4000_0003, 10, [0; 3]), killed, "i386");
        assert_eq!(here(FOREIGN | 10, [0; 3]), killed, "x32");
    }
}
