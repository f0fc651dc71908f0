//! Every layout of cgroups that pods and containers are found in, from a process's files to what the binary tells.

use serde_json::{Value, json};

use crate::tree::{Process, Tree};

const UID: &str = "0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6b";
const OUTER_UID: &str = "7d9e8f00-1111-4222-8333-944455556666";
const HASH: &str = "5f2c8e01a4b7d3960c1e5f7a9b3d2c48";
const ID: &str = "3f4e5d6c7b8a99887766554433221100ffeeddccbbaa00112233445566778899";
/// Of the pod's sandbox, which no link names.
const SANDBOX_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Of whatever is around a pod, or inside a container.
const OTHER_ID: &str = "aa11bb22cc33dd44ee55ff6600112233445566778899aabbccddeeff00112233";

/// Puts the ids in. systemd has no `-` in a name.
fn text(shape: &str) -> String {
    shape
        .replace("OUTER_UID", OUTER_UID)
        .replace("OTHER_CID", OTHER_ID)
        .replace("SANDBOX_CID", SANDBOX_ID)
        .replace("HASH", HASH)
        .replace("U_ID", &UID.replace('-', "_"))
        .replace("UID", UID)
        .replace("CID", ID)
}

fn pod() -> Value {
    json!({"k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.pod.uid": UID})
}

fn container() -> Value {
    json!({"container.id": ID})
}

fn other() -> Value {
    json!({"tcpgauge.owner": "other"})
}

/// A node with a process of these cgroups, and a link that names the pod.
fn node(cgroup: &str) -> Tree {
    let tree = Tree::new();
    tree.link("shop", "web-0", UID, ID);
    tree.add(&Process::new(100, &text(cgroup)), 7);
    tree
}

/// Each of these makes the process `owner`'s, and the host's sockets nobody's.
#[track_caller]
fn all_are(owner: &Value, cgroups: &[&str]) {
    for cgroup in cgroups {
        assert_eq!(node(cgroup).told(), [(owner.clone(), 7)], "{cgroup}");
    }
}

#[test]
fn pods_of_every_class_with_cgroupfs() {
    all_are(
        &pod(),
        &[
            "0::/kubepods/podUID/CID\n",
            "0::/kubepods/burstable/podUID/CID\n",
            "0::/kubepods/besteffort/podUID/CID\n",
            // cgroup v1, as Kubernetes 1.34 with containerd 1.6 has it.
            "12:cpuset:/kubepods/besteffort/podUID/CID\n1:name=systemd:/kubepods/besteffort/podUID/CID\n0::/kubepods/besteffort/podUID/CID\n",
            "4:memory:/kubepods/podUID/CID\n3:cpu,cpuacct:/kubepods/podUID/CID\n0::/\n",
        ],
    );
}

#[test]
fn pods_of_every_class_with_systemd() {
    all_are(
        &pod(),
        &[
            "0::/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/crio-CID.scope\n",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/docker-CID.scope\n",
            "9:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/docker-CID.scope\n0::/system.slice/containerd.service\n",
            // The runtime was not told of systemd.
            "0::/system.slice/containerd.service/kubepods-burstable-podU_ID.slice:cri-containerd:CID\n",
        ],
    );
}

#[test]
fn pods_seen_from_a_container_that_has_a_cgroup_namespace() {
    all_are(
        &pod(),
        &[
            "0::/../../podUID/CID\n",
            "0::/../../../burstable/podUID/CID\n",
            "0::/../../kubepods-burstable-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/../CID\n",
        ],
    );
}

#[test]
fn pods_in_nodes_that_are_containers_and_pods_themselves() {
    all_are(
        &pod(),
        &[
            // kind, with its node in Docker, and in a pod.
            "0::/docker/OTHER_CID/kubelet/kubepods/burstable/podUID/CID\n",
            "0::/system.slice/docker-OTHER_CID.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/kubepods/podOUTER_UID/OTHER_CID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_ID.slice/cri-containerd-CID.scope\n",
            // systemd in a pod, and Docker in a pod.
            "0::/kubepods/burstable/podUID/CID/init.scope\n",
            "0::/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-CID.scope/system.slice/nginx.service\n",
            "0::/kubepods/burstable/podUID/CID/docker/OTHER_CID\n",
        ],
    );
}

#[test]
fn containers_of_no_pod() {
    let tree = |cgroup: &str| {
        let tree = Tree::new();
        tree.add(&Process::new(100, &text(cgroup)), 7);
        tree.told()
    };
    for cgroup in [
        "0::/docker/CID\n",
        "0::/system.slice/docker-CID.scope\n",
        "11:pids:/docker/CID\n0::/system.slice/containerd.service\n",
        "0::/default/CID\n",
        "0::/system.slice/nerdctl-CID.scope\n",
        "0::/machine.slice/libpod-CID.scope/container\n",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-CID.scope\n",
        "0::/libpod_parent/libpod-CID\n",
        "0::/machine.slice/crio-CID.scope\n",
        "0::/../CID\n",
    ] {
        assert_eq!(tree(cgroup), [(container(), 7)], "{cgroup}");
    }
}

#[test]
fn namespaces_that_nobody_is_known_to_own_are_told_together() {
    let tree = node("0::/user.slice/user-1000.slice/session-1.scope\n");
    tree.add(&Process::new(200, "0::/system.slice/vpn.service\n"), 20);
    tree.add(&Process::new(300, ""), 100);
    assert_eq!(tree.told(), [(other(), 127)]);
}

#[test]
fn a_static_pod_is_told_by_the_hash_that_the_kubelet_gave_it() {
    let tree = Tree::new();
    tree.link("kube-system", "etcd-node", HASH, ID);
    tree.add(
        &Process::new(100, &text("0::/kubepods/burstable/podHASH/CID\n")),
        7,
    );
    let etcd = json!({"k8s.namespace.name": "kube-system", "k8s.pod.name": "etcd-node", "k8s.pod.uid": HASH});
    assert_eq!(tree.told(), [(etcd, 7)]);
}

#[test]
fn a_pod_without_a_link_is_told_by_its_uid_alone() {
    let tree = Tree::new();
    tree.add(&Process::new(100, &text("0::/kubepods/podUID/CID\n")), 7);
    assert_eq!(tree.told(), [(json!({"k8s.pod.uid": UID}), 7)]);
}

#[test]
fn the_processes_of_one_pod_are_told_once() {
    let tree = node("0::/kubepods/podUID/SANDBOX_CID\n");
    for (pid, cgroup) in [
        (101, "0::/kubepods/podUID/CID\n"),
        (102, "0::/kubepods/podUID/OTHER_CID\n"),
        // Somebody who looks into it from outside.
        (103, "0::/user.slice/user-0.slice/session-1.scope\n"),
    ] {
        tree.add_beside(&Process::new(pid, &text(cgroup)), 100);
    }
    assert_eq!(tree.told(), [(pod(), 7)]);
    // As a sandbox that is about to be taken down has it: two namespaces for a while.
    tree.add(
        &Process::new(200, &text("0::/kubepods/podUID/OTHER_CID\n")),
        20,
    );
    assert_eq!(tree.told(), [(pod(), 27)]);
}

/// With cgroup v2 the reader's own sandbox has no UID in its path, as the reader sees it.
#[test]
fn the_readers_own_sandbox_is_named_by_another_process_or_by_its_container() {
    let tree = node("0::/../SANDBOX_CID\n");
    assert_eq!(tree.told(), [(json!({"container.id": SANDBOX_ID}), 7)]);
    // The reader's own container is `/`, and one beside it is known by the link.
    tree.add_beside(&Process::new(101, "0::/\n"), 100);
    assert_eq!(tree.told(), [(json!({"container.id": SANDBOX_ID}), 7)]);
    tree.add_beside(&Process::new(102, &text("0::/../CID\n")), 100);
    assert_eq!(tree.told(), [(pod(), 7)]);
}

#[test]
fn a_pod_with_the_hosts_network_is_the_hosts() {
    let tree = Tree::new();
    tree.add_beside(&Process::new(100, &text("0::/kubepods/podUID/CID\n")), 1);
    assert_eq!(tree.told(), []);
}

#[test]
fn pods_whose_guests_have_a_network_of_their_own_are_not_told() {
    for (comm, command) in [
        ("exe", "runsc-sandbox\0--root=/run/containerd/runsc\0boot\0"),
        (
            "qemu-system-x86",
            "/opt/kata/bin/qemu-system-x86_64\0-name\0sandbox\0",
        ),
        ("cloud-hyperviso", "/opt/kata/bin/cloud-hypervisor\0"),
        ("firecracker", "/firecracker\0--id\0"),
        ("containerd-shim", "/opt/kata/bin/containerd-shim-kata-v2\0"),
    ] {
        let tree = node("0::/kubepods/podUID/CID\n");
        let guest = text("0::/kubepods/podOUTER_UID/SANDBOX_CID\n");
        let mut process = Process::new(200, &guest);
        (process.comm, process.command) = (comm, command);
        tree.add(&process, 20);
        // What else is there to serve it changes nothing.
        tree.add_beside(&Process::new(201, &guest), 200);
        assert_eq!(tree.told(), [(pod(), 7)], "{command}");
    }
}
