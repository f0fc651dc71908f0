//! Processes that keep a guest's sockets to themselves, and those that only look like it.

use proptest::prelude::*;

use super::super::is_sandbox;

#[test]
fn sandboxes_are_known_by_comm_or_by_the_first_argument() {
    let sandboxes: &[(&str, &str)] = &[
        (
            "exe\n",
            "runsc-sandbox\0--root=/run/containerd/runsc\0boot\0",
        ),
        (
            "exe\n",
            "runsc-gofer\0--root=/run/containerd/runsc\0gofer\0",
        ),
        ("runsc", "/usr/local/bin/runsc\0boot\0"),
        ("runsc-sandbox\n", ""),
        (
            "qemu-system-x86\n",
            "/opt/kata/bin/qemu-system-x86_64\0-name\0sandbox-1\0",
        ),
        ("qemu-system-x86", ""),
        ("", "/opt/kata/bin/qemu-system-x86_64-snp-experimental\0"),
        ("qemu-lite-syste", "/usr/bin/qemu-lite-system-x86_64\0"),
        ("qemu-kvm\n", "/usr/libexec/qemu-kvm\0"),
        (
            "cloud-hyperviso\n",
            "/opt/kata/bin/cloud-hypervisor\0--api-socket\0",
        ),
        ("cloud-hyperviso", ""),
        ("firecracker\n", "/firecracker\0--id\0"),
        ("firecracker-v1.", "./firecracker-v1.7.0-x86_64\0"),
        (
            "containerd-shim\n",
            "/opt/kata/bin/containerd-shim-kata-v2\0-namespace\0k8s.io\0",
        ),
    ];
    for (comm, cmdline) in sandboxes {
        assert!(
            is_sandbox(comm.as_bytes(), cmdline.as_bytes()),
            "{comm} {cmdline}"
        );
    }
    let others: &[(&str, &str)] = &[
        ("", ""),
        ("nginx\n", "nginx: master process /usr/sbin/nginx\0"),
        ("pause\n", "/pause\0"),
        ("exe\n", "/proc/self/exe\0init\0"),
        (
            "containerd-shim\n",
            "/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0",
        ),
        ("containerd-shim\n", ""),
        ("runscript.sh\n", "/bin/sh\0/runscript.sh\0"),
        // A program for another processor, whose sockets are this kernel's.
        ("app\n", "/usr/bin/qemu-aarch64-static\0/app\0"),
        ("qemu-aarch64-st\n", "/usr/bin/qemu-aarch64-static\0/app\0"),
        ("sh\n", "/bin/sh\0/opt/qemu-system-x86_64\0"),
    ];
    for (comm, cmdline) in others {
        assert!(
            !is_sandbox(comm.as_bytes(), cmdline.as_bytes()),
            "{comm} {cmdline}"
        );
    }
}

proptest! {
    #[test]
    fn any_process_is_a_sandbox_or_not(comm in proptest::collection::vec(any::<u8>(), 0..32), cmdline in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = is_sandbox(&comm, &cmdline);
    }
}
