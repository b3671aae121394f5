//! VMware's backdoor: one call to the hypervisor, by an I/O port on x86_64 and a trapped system register on aarch64. Source:
//! open-vm-tools, `lib/include/backdoor_def.h`, and Linux' arch/x86/include/asm/vmware.h.

/// The registers of a call, and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX; of a call the hypervisor's magic number, which [`Backdoor`] puts there.
    pub ax: u32,
    /// EBX: the argument.
    pub bx: u32,
    /// ECX: the command below, what it is to do above.
    pub cx: u32,
    /// EDX: of a call the channel above; the port below is put there by [`Backdoor`].
    pub dx: u32,
    /// ESI.
    pub si: u32,
    /// EDI.
    pub di: u32,
}

/// Who answers calls.
pub trait Backdoor {
    /// One call, and what is in the registers afterwards.
    fn call(&mut self, registers: Registers) -> Registers;
}

/// The hypervisor this machine runs on.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub struct Hypervisor(());

/// `VMXh`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const MAGIC: u32 = 0x564d_5868;

/// The port of plain calls.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const PORT: u32 = 0x5658;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Hypervisor {
    /// To be called only on a machine that is known to be VMware's: on another one the first call ends the process
    /// (SIGSEGV, SIGILL).
    pub fn assume() -> Self {
        Self(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Backdoor for Hypervisor {
    fn call(&mut self, registers: Registers) -> Registers {
        let Registers {
            ax: _,
            bx,
            cx,
            dx,
            si,
            di,
        } = registers;
        let mut answer = Registers::default();
        let mut bx = u64::from(bx);
        // SAFETY: VMware answers in the registers alone and touches no memory. Elsewhere the instruction is a general
        // protection fault, which ends this process and nothing else. RBX is the compiler's own: it is exchanged.
        unsafe {
            core::arch::asm!(
                "xchg rbx, {bx}",
                "in eax, dx",
                "xchg rbx, {bx}",
                bx = inout(reg) bx,
                inout("eax") MAGIC => answer.ax,
                inout("ecx") cx => answer.cx,
                inout("edx") (dx & 0xffff_0000) | PORT => answer.dx,
                inout("esi") si => answer.si,
                inout("edi") di => answer.di,
                options(nostack),
            );
        }
        answer.bx = low(bx);
        answer
    }
}

#[cfg(target_arch = "aarch64")]
impl Backdoor for Hypervisor {
    fn call(&mut self, registers: Registers) -> Registers {
        /// `X86_IO_MAGIC` above; below: four bytes, in, with the registers (drivers/gpu/drm/vmwgfx/vmwgfx_msg_arm64.h).
        const TRAP: u64 = (0x86 << 32) | (1 << 3) | (1 << 2) | 2;
        let mut x = [
            MAGIC,
            registers.bx,
            registers.cx,
            (registers.dx & 0xffff_0000) | PORT,
            registers.si,
            registers.di,
        ]
        .map(u64::from);
        let [ax, bx, cx, dx, si, di] = &mut x;
        // SAFETY: VMware answers in the registers alone and touches no memory. Elsewhere the register is one that user space
        // may not read, which ends this process and nothing else.
        unsafe {
            core::arch::asm!(
                "mrs xzr, mdccsr_el0",
                inout("x0") *ax,
                inout("x1") *bx,
                inout("x2") *cx,
                inout("x3") *dx,
                inout("x4") *si,
                inout("x5") *di,
                inout("x6") 0_u64 => _,
                in("x7") TRAP,
                options(nostack),
            );
        }
        let [ax, bx, cx, dx, si, di] = x.map(low);
        Registers {
            ax,
            bx,
            cx,
            dx,
            si,
            di,
        }
    }
}

/// The lower half of a register.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn low(register: u64) -> u32 {
    u32::try_from(register & 0xffff_ffff).unwrap_or_default()
}
