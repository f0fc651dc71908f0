//! Every layout of cgroups that a process may be found in, as the kernel prints it.

use super::*;

#[path = "cgroup_hostile_tests.rs"]
mod hostile;

#[path = "sandbox_tests.rs"]
mod sandboxes;

const UID: &str = "0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6b";
const INNER_UID: &str = "7d9e8f00-1111-4222-8333-944455556666";
const HASH: &str = "5f2c8e01a4b7d3960c1e5f7a9b3d2c48";
const ID: &str = "3f4e5d6c7b8a99887766554433221100ffeeddccbbaa00112233445566778899";
const INNER_ID: &str = "aa11bb22cc33dd44ee55ff6600112233445566778899aabbccddeeff00112233";
const OTHER_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A text with the ids put in: `UID` and `U_ID` (as systemd needs it), `HASH`, `CID`, and those of what is nested.
fn text(shape: &str) -> String {
    shape
        .replace("INNER_UID", INNER_UID)
        .replace("INNER_U_ID", &INNER_UID.replace('-', "_"))
        .replace("INNER_CID", INNER_ID)
        .replace("OTHER_CID", OTHER_ID)
        .replace("HASH", HASH)
        .replace("U_ID", &UID.replace('-', "_"))
        .replace("UID", UID)
        .replace("CID", ID)
}

fn told(pod: Option<&str>, container: Option<&str>) -> Evidence {
    Evidence {
        pod: pod.map(Arc::from),
        container: container.map(Arc::from),
    }
}

#[track_caller]
fn check(shapes: &[&str], pod: Option<&str>, container: Option<&str>) {
    for shape in shapes {
        let found = evidence(text(shape).as_bytes());
        assert_eq!(found, told(pod, container), "{shape}");
    }
}

#[test]
fn a_pods_container_is_known_under_both_drivers_and_both_versions() {
    check(
        &[
            // cgroup v2, cgroupfs: a guaranteed pod has no class.
            "0::/kubepods/burstable/podUID/CID\n",
            "0::/kubepods/besteffort/podUID/CID\n",
            "0::/kubepods/podUID/CID\n",
            "0::/kubepods/burstable/podUID/crio-CID\n",
            // No end of line, and a cgroup that is being removed.
            "0::/kubepods/burstable/podUID/CID",
            "0::/kubepods/burstable/podUID/CID (deleted)\n",
            // cgroup v2, systemd: containerd, CRI-O (and the cgroup that crun adds), Docker by cri-dockerd, podman.
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-CID.scope\n",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-CID.scope/container\n",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/docker-CID.scope\n",
            "0::/kubepods.slice/kubepods-podU_ID.slice/libpod-CID.scope/container\n",
            // cgroup v1, cgroupfs, as Kubernetes 1.34 with containerd 1.6 has it.
            "12:cpuset:/kubepods/besteffort/podUID/CID\n\
             3:net_cls,net_prio:/kubepods/besteffort/podUID/CID\n\
             1:name=systemd:/kubepods/besteffort/podUID/CID\n\
             0::/kubepods/besteffort/podUID/CID\n",
            // cgroup v1, systemd.
            "9:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/docker-CID.scope\n\
             1:name=systemd:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/docker-CID.scope\n",
            // A kubelet with systemd's driver beside a containerd without.
            "0::/system.slice/containerd.service/kubepods-burstable-podU_ID.slice:cri-containerd:CID\n",
            "11:pids:/kubepods-podU_ID.slice:cri-containerd:CID\n",
            // A kubelet that was given a root for its pods.
            "0::/somewhere/kubepods/burstable/podUID/CID\n",
            "0::/somewhere.slice/somewhere-kubepods.slice/somewhere-kubepods-podU_ID.slice/crio-CID.scope\n",
        ],
        Some(UID),
        Some(ID),
    );
}

#[test]
fn a_pod_is_known_by_its_own_cgroup_too() {
    check(
        &[
            "0::/kubepods/burstable/podUID\n",
            "0::/kubepods.slice/kubepods-podU_ID.slice\n",
        ],
        Some(UID),
        None,
    );
}

#[test]
fn a_uid_may_be_written_in_any_case_and_stays_as_it_is() {
    let upper = UID.to_uppercase();
    check(
        &[&format!("0::/../../pod{upper}/CID\n")],
        Some(&upper),
        Some(ID),
    );
}

#[test]
fn a_static_pods_uid_is_a_hash_or_what_somebody_chose() {
    check(
        &[
            "0::/kubepods/burstable/podHASH/CID\n",
            "0::/../../podHASH/CID\n",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podHASH.slice/cri-containerd-CID.scope\n",
        ],
        Some(HASH),
        Some(ID),
    );
    check(
        &[
            "0::/kubepods/podmy-static_pod/CID\n",
            "0::/kubepods/burstable/podmy-static-pod/CID\n",
            "0::/kubepods.slice/kubepods-podmy_static_pod.slice/crio-CID.scope\n",
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podmy_static_pod.slice/crio-CID.scope\n",
        ],
        Some("my-static-pod"),
        Some(ID),
    );
}

#[test]
fn what_is_nested_in_a_pods_container_belongs_to_that_container() {
    check(
        &[
            // systemd in a pod.
            "0::/kubepods/burstable/podUID/CID/init.scope\n",
            "0::/kubepods/burstable/podUID/CID/system.slice/x.service\n",
            "0::/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-CID.scope/system.slice/x.service\n",
            "9:memory:/kubepods/burstable/podUID/CID\n1:name=systemd:/kubepods/burstable/podUID/CID/init.scope\n",
            // Docker in a pod.
            "0::/kubepods/burstable/podUID/CID/docker/INNER_CID\n",
            "0::/kubepods/burstable/podUID/CID/system.slice/docker-INNER_CID.scope\n",
            // Names that a container may give.
            "0::/kubepods/burstable/podUID/CID/podinfo\n",
            "0::/kubepods/burstable/podUID/CID/user.slice/user@1000.service/app-podcast.slice\n",
        ],
        Some(UID),
        Some(ID),
    );
}

#[test]
fn the_innermost_pod_counts() {
    check(
        &[
            // kind: a node is a container of Docker or podman, with pods in it.
            "0::/docker/CID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podINNER_U_ID.slice/cri-containerd-INNER_CID.scope\n",
            "0::/system.slice/docker-CID.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podINNER_U_ID.slice/cri-containerd-INNER_CID.scope\n",
            "9:memory:/docker/CID/kubelet/kubepods/burstable/podINNER_UID/INNER_CID\n1:name=systemd:/docker/CID/kubelet/kubepods/burstable/podINNER_UID/INNER_CID\n",
            // kind in a pod.
            "0::/kubepods/burstable/podUID/CID/docker/OTHER_CID/kubelet/kubepods/podINNER_UID/INNER_CID\n",
            // Not all hierarchies are in use inside.
            "9:memory:/kubepods/burstable/podUID/CID\n1:name=systemd:/kubepods/burstable/podUID/CID/docker/OTHER_CID/kubelet/kubepods/podINNER_UID/INNER_CID\n",
        ],
        Some(INNER_UID),
        Some(INNER_ID),
    );
}

#[test]
fn a_node_of_kind_is_a_container() {
    check(
        &[
            "0::/docker/CID/init.scope\n",
            "0::/docker/CID/kubelet.slice/kubelet.service\n",
            "0::/docker/CID/system.slice/containerd.service\n",
        ],
        None,
        Some(ID),
    );
}

#[test]
fn a_path_may_be_relative_to_the_readers_own_cgroup() {
    check(
        &[
            // Of the same class, of another, guaranteed; with systemd.
            "0::/../../podUID/CID\n",
            "0::/../../../burstable/podUID/CID\n",
            "0::/../../../podUID/CID/init.scope\n",
            "0::/../../kubepods-besteffort-podU_ID.slice/cri-containerd-CID.scope\n",
            "0::/../../../kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/crio-CID.scope\n",
        ],
        Some(UID),
        Some(ID),
    );
    // The reader's own pod has no name from there, and a container's neighbours have none either.
    check(
        &[
            "0::/../CID\n",
            "0::/../cri-containerd-CID.scope\n",
            "0::/../CID/docker/INNER_CID\n",
            "0::/../docker-CID.scope\n",
            "0::/../../../../system.slice/docker-CID.scope\n",
        ],
        None,
        Some(ID),
    );
    check(
        &[
            "0::/\n",
            "0::/..\n",
            "0::/../../../..\n",
            "0::/../../../../system.slice/sshd.service\n",
        ],
        None,
        None,
    );
}

#[test]
fn a_line_that_names_a_pod_wins_over_those_that_do_not() {
    check(
        &[
            "13:rdma:/\n12:cpuset:/kubepods/podUID/CID\n11:misc:/\n0::/\n",
            "13:rdma:/system.slice/containerd.service\n12:cpuset:/kubepods/podUID/CID\n",
            "13:rdma:/docker/OTHER_CID\n12:cpuset:/kubepods/podUID/CID\n",
            "13:rdma:/kubepods/podUID/CID\n12:cpuset:/docker/OTHER_CID\n",
            "13:rdma:/kubepods/podUID\n12:cpuset:/kubepods/podUID/CID\n",
            "1:name=systemd:/kubepods.slice/kubepods-podU_ID.slice/docker-CID.scope\n0::/kubepods/podUID/CID\n",
        ],
        Some(UID),
        Some(ID),
    );
}

#[test]
fn lines_that_contradict_each_other_tell_nothing() {
    check(
        &[
            "2:cpu:/kubepods/podUID/CID\n1:name=systemd:/kubepods/podINNER_UID/CID\n",
            "2:cpu:/docker/CID\n1:name=systemd:/docker/OTHER_CID\n",
        ],
        None,
        None,
    );
    // They do not, where one of them is further in.
    check(
        &[
            "3:rdma:/docker/CID\n2:cpu:/docker/OTHER_CID\n1:name=systemd:/kubepods/podUID/INNER_CID\n",
        ],
        Some(UID),
        Some(INNER_ID),
    );
}

#[test]
fn containers_outside_of_kubernetes_are_known_by_their_id() {
    check(
        &[
            // Docker, with either driver, rootless, and with a parent of the user's choice.
            "0::/docker/CID\n",
            "0::/system.slice/docker-CID.scope\n",
            "0::/system.slice/docker-CID.scope/init.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-CID.scope\n",
            "0::/actions_job/CID\n",
            "5:devices:/docker/CID\n1:name=systemd:/docker/CID\n0::/\n",
            "0::/system.slice:docker:CID\n",
            // containerd and nerdctl.
            "0::/default/CID\n",
            "0::/system.slice/nerdctl-CID.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-CID.scope\n",
            // CRI-O.
            "0::/system.slice/crio-CID.scope\n",
            // podman: root and rootless, in a podman pod, without systemd, and in a unit of its own.
            "0::/machine.slice/libpod-CID.scope\n",
            "0::/machine.slice/libpod-CID.scope/container\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-CID.scope/container\n",
            "0::/machine.slice/machine-libpod_pod_OTHER_CID.slice/libpod-CID.scope/container\n",
            "0::/libpod_parent/libpod-CID\n",
            "0::/libpod_parent/OTHER_CID/libpod-CID\n",
            "0::/system.slice/web.service/libpod-payload-CID\n",
            // ECS.
            "9:memory:/ecs/fd3bb15cba4c4b6f9f6f3d4c5e1a2b3c/CID\n",
            "9:memory:/ecs/0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6b/CID\n",
            "0::/ecstasks.slice/ecstasks-fd3bb15cba4c4b6f9f6f3d4c5e1a2b3c.slice/docker-CID.scope\n",
            // Docker in Docker: the outer one is the one that this machine's Docker knows.
            "0::/docker/CID/docker/INNER_CID\n",
        ],
        None,
        Some(ID),
    );
}

#[test]
fn a_containers_monitor_is_outside_of_it() {
    check(
        &[
            "0::/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-CID.scope\n",
            "0::/kubepods/burstable/podUID/crio-conmon-CID\n",
            "0::/machine.slice/libpod-conmon-CID.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-CID.scope\n",
            "0::/libpod_parent/conmon\n",
            "0::/libpod_parent/OTHER_CID/conmon\n",
            "0::/system.slice/web.service/supervisor\n",
            // Whatever the other hierarchies say.
            "3:rdma:/kubepods/podUID/CID\n2:cpu:/kubepods/podUID/crio-conmon-CID\n",
        ],
        None,
        None,
    );
}

#[test]
fn what_only_looks_like_a_pod_or_a_container_is_none() {
    let upper = format!("0::/docker/{}\n", ID.to_uppercase());
    let cut = format!("0::/docker/{}\n", &ID[1..]);
    let longer = format!("0::/docker/{ID}0\n");
    let long = format!("0::/kubepods/pod{}\n", "a".repeat(65));
    check(
        &[
            "",
            "\n",
            "0::\n",
            "0:\n",
            "/kubepods/podUID/CID\n",
            "0::/init.scope\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/podman-1234.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/podman-pause-1f2e.scope\n",
            "0::/system.slice/podman.service\n",
            "0::/podinfo\n",
            "0::/system.slice/podinfo.service\n",
            "0::/system.slice/pod0fa3b6c1-52d4-4e77-9b1e.service\n",
            "0::/podg0fa3b6c152d44e779b1e1c2d3e4f5a6\n",
            "0::/pod0fa3b6c1-52d4-4e77-9b1e-1c2d3e4f5a6g\n",
            "0::/pod0fa3b6c1+52d4+4e77+9b1e+1c2d3e4f5a6b\n",
            "0::/kubepods\n",
            "0::/kubepods/burstable\n",
            "0::/kubepods/pod\n",
            "0::/kubepods/burstable/something/podinfo\n",
            "0::/kubepods/pod.a\n",
            "0::/kubepods.slice/kubepods-burstable.slice\n",
            "0::/notkubepods-podinfo.slice\n",
            "0::/kubepods.slice/kubepods-podinfo.scope\n",
            &upper,
            &cut,
            &longer,
            &long,
        ],
        None,
        None,
    );
}
