//! Memory that is not needed for now, given back to the kernel.

use core::ffi::{c_int, c_void};
use std::io;

use nix::poll::PollFd;

/// Most segments of a program that are looked at; linkers make four.
const MAX_SEGMENTS: usize = 16;

/// Of the stack, bytes below this function's own frame that stay: two pages, where what runs next works.
const STACK_KEPT: usize = 8 << 10;

/// Of the stack, bytes below that are given back: whole pages of any size, more than the deepest call took, less than any
/// thread has.
const STACK_RELEASED: usize = 256 << 10;

/// Segments of this program that are mapped from its file and never written to, relocations included: code and constants.
/// The kernel brings their pages back from the file whenever they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    segments: Vec<Segment>,
    /// Bytes of a page.
    page: usize,
}

/// Whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start: usize,
    length: usize,
}

impl Program {
    /// Asks the program headers (elf(5)). Relocated constants are in a segment that may be written, and do not count.
    pub fn find() -> Self {
        let mut program = Self {
            segments: Vec::new(),
            page: 4096,
        };
        // SAFETY: `first_program` has the type that is asked for; it gets `program`, which outlives the call, as `data`.
        unsafe { libc::dl_iterate_phdr(Some(first_program), (&raw mut program).cast()) };
        program
    }

    /// Takes the pages out of this process, then waits in ppoll(2) without a limit; answers as that does. The pages stay in
    /// the page cache as long as the kernel likes. All that runs between the two is mapped again, with what lies around it
    /// (the kernel maps 64 KiB at a time), and stays so for the whole of the wait: it is this one function.
    #[inline(never)]
    pub(super) fn release_and_poll(&self, fds: &mut [PollFd<'_>]) -> io::Result<()> {
        let Self { segments, page } = self;
        let here = 0_u8;
        let top = (&raw const here as usize).saturating_sub(STACK_KEPT) / page * page;
        let forget = libc::MADV_DONTNEED as usize;
        // SAFETY: below what is in use the stack holds nothing but what calls that are over left there; the next ones
        // write before they read. Where the mapping ends sooner, nothing is mapped for far more than this.
        unsafe {
            system_call(
                libc::SYS_madvise,
                [top - STACK_RELEASED, STACK_RELEASED, forget, 0, 0],
            )
        };
        for segment in segments {
            // SAFETY: a mapping of our own file that nothing wrote to: the next use reads the same bytes again. A failure
            // changes nothing.
            unsafe {
                system_call(
                    libc::SYS_madvise,
                    [segment.start, segment.length, forget, 0, 0],
                )
            };
        }
        let first = fds.as_mut_ptr() as usize;
        // SAFETY: nix's `PollFd` is a `pollfd` (repr(transparent)); there are `len` of them, and they outlive the call.
        let result = unsafe { system_call(libc::SYS_ppoll, [first, fds.len(), 0, 0, 0]) };
        match i32::try_from(result) {
            Ok(error @ ..0) => Err(io::Error::from_raw_os_error(-error)),
            _ => Ok(()),
        }
    }
}

/// syscall(2) without a function of its own; negative: the error number.
///
/// # Safety
/// As of the call.
#[inline(always)]
unsafe fn system_call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    // SAFETY: the kernel's calling convention (syscall(2), "Architecture calling conventions"); it keeps every register but
    // those that are named as outputs.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: likewise.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number, inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack),
        );
    }
    result
}

/// Called for each loaded object; the program itself is the first, and a static one the only one.
unsafe extern "C" fn first_program(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    const STOP: c_int = 1;
    // SAFETY: libc hands over a whole structure, and the `data` that `find` gave it, which nobody else has meanwhile.
    let (info, program) = unsafe { (&*info, &mut *data.cast::<Program>()) };
    let count = usize::from(info.dlpi_phnum).min(MAX_SEGMENTS);
    // SAFETY: `dlpi_phdr` points to `dlpi_phnum` headers of the loaded program, which stay where they are.
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, count) };
    // SAFETY: takes no pointer.
    program.page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let page = program.page;
    let base = info.dlpi_addr as usize;
    let fixed = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    program.segments = fixed
        .map(|header| {
            let start = (base + header.p_vaddr as usize) / page * page;
            let end = (base + (header.p_vaddr + header.p_memsz) as usize).next_multiple_of(page);
            Segment {
                start,
                length: end - start,
            }
        })
        .collect();
    STOP
}

/// Gives whole pages of freed memory back (malloc_trim(3)); the allocator would keep them.
#[cfg(target_env = "gnu")]
pub fn trim_heap() {
    // SAFETY: takes no pointer; only memory that nobody has is given back.
    unsafe { libc::malloc_trim(0) };
}

/// musl's allocator gives pages back by itself.
#[cfg(not(target_env = "gnu"))]
pub fn trim_heap() {}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::super::poll::{Interest, poll_at_rest};
    use super::*;

    #[test]
    fn what_was_given_back_still_runs() {
        let program = Program::find();
        let code = Program::find as fn() -> Program as usize;
        let holds =
            |segment: &Segment| (segment.start..segment.start + segment.length).contains(&code);
        assert!(
            program.segments.iter().any(holds),
            "code is among it: {program:?}"
        );
        let own = (&raw const program) as usize;
        assert!(
            !program
                .segments
                .iter()
                .any(|segment| (segment.start..segment.start + segment.length).contains(&own))
        );
        trim_heap();
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        let hung_up = Interest::read(reader.as_fd());
        assert!(poll_at_rest(&[hung_up], &program).unwrap()[0].readable);
        assert_eq!(Program::find(), program);
    }
}
