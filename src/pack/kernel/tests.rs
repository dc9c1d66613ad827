//! The order of the places, and what is said about files that will not do. Fetching is tried only on request.

use super::*;

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["boot", "cache"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn kernel(&self, name: &str) -> PathBuf {
        let mut bytes = vec![0; 0x206];
        bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        bytes[0x202..].copy_from_slice(b"HdrS");
        self.file(name, &bytes)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A search without network.
    fn search(&self) -> KernelSearch {
        let path = |name: &str| self.folder.path().join(name);
        KernelSearch {
            explicit: None,
            environment: None,
            boot: path("boot"),
            cache: Some(path("cache")),
            os_release: self.file("os-release", b"ID=debian\n"),
            offline: true,
        }
    }
}

fn found(search: &KernelSearch) -> (PathBuf, Origin) {
    let found = find(search, &mut |_| {}).unwrap();
    (found.path, found.origin)
}

fn refusal(search: &KernelSearch) -> String {
    find(search, &mut |_| {}).unwrap_err().to_string()
}

#[test]
fn places_are_tried_in_order() {
    let host = Host::new();
    let mut search = host.search();
    let cached = host.kernel("cache/vmlinuz-6.1.0");
    assert_eq!(found(&search), (cached, Origin::Cache));
    let boot = host.kernel("boot/vmlinuz-5.10.0");
    assert_eq!(found(&search), (boot, Origin::Boot));
    search.environment = Some(host.kernel("mine"));
    assert_eq!(found(&search).1, Origin::Environment);
    search.explicit = Some(host.kernel("other"));
    assert_eq!(found(&search).1, Origin::Explicit);
}

#[test]
fn highest_version_is_taken_and_rescue_kernels_last() {
    let host = Host::new();
    for name in ["vmlinuz-6.9.0-1-amd64", "vmlinuz-6.10.0-2-amd64", "vmlinuz-0-rescue-99", "vmlinuz", "vmlinuz.old"] {
        host.kernel(&format!("boot/{name}"));
    }
    assert!(found(&host.search()).0.ends_with("vmlinuz-6.10.0-2-amd64"));
}

#[test]
fn other_files_in_boot_are_passed_over_and_told() {
    let host = Host::new();
    host.file("boot/vmlinuz-9.9", b"MZ: a kernel for another processor");
    let message = refusal(&host.search());
    for part in ["vmlinuz-9.9 is no x86 kernel", "--offline", "--kernel FILE", "cache has no vmlinuz"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn named_file_that_is_no_kernel_is_refused_by_name() {
    let host = Host::new();
    host.kernel("boot/vmlinuz-6.1");
    let mut search = host.search();
    search.environment = Some(host.file("text", b"words"));
    assert!(refusal(&search).contains("REENACT_KERNEL"));
    search.explicit = Some(host.folder.path().join("nothing"));
    assert!(matches!(find(&search, &mut |_| {}), Err(Error::Unreadable { named_by: "--kernel", .. })));
}

#[test]
fn other_distributions_are_told_to_name_a_kernel() {
    let host = Host::new();
    let mut search = host.search();
    search.os_release = host.file("os-release", b"ID=fedora\n");
    search.offline = false;
    assert!(refusal(&search).contains("--kernel FILE"));
}

#[test]
#[ignore = "fetches a kernel package from the distribution"]
fn distribution_kernel_is_fetched_into_the_cache() {
    let host = Host::new();
    let mut search = host.search();
    search.os_release = "/etc/os-release".into();
    search.offline = false;
    let mut said = Vec::new();
    let kernel = find(&search, &mut |sentence| said.push(sentence.to_owned())).unwrap();
    println!("{said:#?} {kernel:?}");
    assert!(matches!(kernel.origin, Origin::Package(_)));
    assert_eq!(found(&search), (kernel.path, Origin::Cache));
    let left: Vec<_> = fs::read_dir(search.cache.unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
