//! Where the first thread's stack lies, for the message of a stack overflow.
//!
//! The standard library asks the C library when a program starts, and glibc reads `/proc/self/maps` with scanf(3) for it:
//! six system calls, and 118 KiB of a static program, floating point numbers of four lengths included. Process 1 is told
//! nothing that way, as it starts without /proc. The kernel has told it already.

use core::ffi::{CStr, c_char, c_int, c_void};

/// What the kernel leaves free above the program's name, bytes: a pointer's size (`__bprm_mm_init` in fs/exec.c).
const ABOVE_NAME: usize = size_of::<usize>();

/// Bytes of a page, where the kernel does not say.
const DEFAULT_PAGE: usize = 4096;

unsafe extern "C" {
    fn pthread_attr_setstack(
        attributes: *mut libc::pthread_attr_t,
        start: *mut c_void,
        length: usize,
    ) -> c_int;
}

/// The first address above the stack of the first thread. Above the environment is the name that the program was executed
/// by, and nothing else.
fn end() -> Option<usize> {
    // SAFETY: takes no pointers.
    let (name, page) = unsafe {
        (
            libc::getauxval(libc::AT_EXECFN) as *const c_char,
            libc::getauxval(libc::AT_PAGESZ) as usize,
        )
    };
    if name.is_null() {
        return None;
    }
    // SAFETY: the kernel put a string there that lives as long as the process.
    let length = unsafe { CStr::from_ptr(name) }.count_bytes() + 1;
    let page = if page == 0 { DEFAULT_PAGE } else { page };
    Some((name as usize + length + ABOVE_NAME).next_multiple_of(page))
}

/// As pthread_getattr_np(3), in its place: the stack of the first thread, as far as it may grow. Another thread, or a stack
/// without a limit: ENOTSUP, and an overflow of it ends the process without a message.
///
/// # Safety
/// `attributes` is room for one.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_getattr_np(
    _thread: libc::pthread_t,
    attributes: *mut libc::pthread_attr_t,
) -> c_int {
    let is_first = nix::unistd::gettid() == nix::unistd::getpid();
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK);
    let limit = limit.ok().and_then(|(soft, _)| usize::try_from(soft).ok());
    let found = end().zip(limit).filter(|_| is_first);
    let Some((start, length)) =
        found.and_then(|(end, length)| Some((end.checked_sub(length)?, length)))
    else {
        return libc::ENOTSUP;
    };
    // SAFETY: the caller gives room for the attributes, and the stack is not touched, only written down.
    unsafe {
        match libc::pthread_attr_init(attributes) {
            0 => pthread_attr_setstack(attributes, start as *mut c_void, length),
            error => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_where_the_kernel_says() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
        let (range, _) = stack.split_once(' ').unwrap();
        let (_, last) = range.split_once('-').unwrap();
        assert_eq!(end(), Some(usize::from_str_radix(last, 16).unwrap()));
    }
}
