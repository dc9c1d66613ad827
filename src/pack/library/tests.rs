//! The resolver against directories of small ELF files, and against the host's own `ls`.

use super::*;
use crate::pack::elf_fixture::ElfFixture;

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn put(&self, name: &str, fixture: ElfFixture) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, fixture.build()).unwrap();
        path
    }

    fn needs(&self, program: &Path, library_path: Option<&str>) -> Needs {
        let mut resolver = Resolver::new(LdCache::default(), library_path, &self.path(""));
        resolver.default_folders = vec![self.path("default")];
        let Look::X86_64(object) = elf::look(program, &fs::read(program).unwrap()).unwrap() else { panic!("not ELF") };
        resolver.needs(program, object).unwrap()
    }
}

const PLAIN: ElfFixture = ElfFixture { interpreter: None, needed: &[], rpath: None, runpath: None };
const NEEDS_A: ElfFixture = ElfFixture { needed: &["a.so"], ..PLAIN };

#[test]
fn runpath_with_origin_stands_before_default_folders() {
    let host = Host::new();
    host.put("default/a.so", PLAIN);
    let near = host.put("app/lib/a.so", PLAIN);
    let program = host.put("app/bin/p", ElfFixture { runpath: Some("$ORIGIN/../lib"), ..NEEDS_A });
    let needs = host.needs(&program, None);
    assert_eq!(needs.paths.iter().map(|path| path.canonicalize().unwrap()).collect::<Vec<_>>(), [near]);
}

#[test]
fn library_path_stands_after_rpath_and_before_runpath() {
    let host = Host::new();
    let (r, l) = (host.put("r/a.so", PLAIN), host.put("l/a.so", PLAIN));
    let with_rpath = host.put("p1", ElfFixture { rpath: Some("${ORIGIN}/r"), ..NEEDS_A });
    let with_runpath = host.put("p2", ElfFixture { runpath: Some("$ORIGIN/r"), ..NEEDS_A });
    let library_path = host.path("l");
    assert_eq!(host.needs(&with_rpath, library_path.to_str()).paths, [r]);
    assert_eq!(host.needs(&with_runpath, library_path.to_str()).paths, [l]);
}

#[test]
fn rpath_of_the_program_counts_for_its_libraries_but_runpath_does_not() {
    let host = Host::new();
    let a = host.put("r/a.so", ElfFixture { needed: &["b.so"], ..PLAIN });
    let b = host.put("r/b.so", PLAIN);
    let with_rpath = host.put("p1", ElfFixture { rpath: Some("$ORIGIN/r"), ..NEEDS_A });
    assert_eq!(host.needs(&with_rpath, None).paths, [a, b]);
    let with_runpath = host.put("p2", ElfFixture { runpath: Some("$ORIGIN/r"), ..NEEDS_A });
    let missing = host.needs(&with_runpath, None).missing;
    assert!(matches!(&missing[..], [Error::LibraryMissing { library, .. }] if library == "b.so"));
}

#[test]
fn missing_library_is_named_with_who_needs_it_and_where_it_was_sought() {
    let host = Host::new();
    let program = host.put("p", ElfFixture { runpath: Some("/opt/nowhere"), ..NEEDS_A });
    let message = host.needs(&program, None).missing[0].to_string();
    for part in ["a.so", program.to_str().unwrap(), "/opt/nowhere", "/etc/ld.so.cache", "default"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn library_for_another_processor_is_passed_over() {
    let host = Host::new();
    let wrong = host.put("l/a.so", PLAIN);
    let mut bytes = fs::read(&wrong).unwrap();
    bytes[18] = 183;
    fs::write(&wrong, bytes).unwrap();
    let right = host.put("default/a.so", PLAIN);
    let program = host.put("p", NEEDS_A);
    assert_eq!(host.needs(&program, host.path("l").to_str()).paths, [right]);
}

#[test]
fn libraries_that_need_each_other_end() {
    let host = Host::new();
    host.put("default/a.so", ElfFixture { needed: &["b.so"], ..PLAIN });
    host.put("default/b.so", NEEDS_A);
    let program = host.put("p", NEEDS_A);
    assert_eq!(host.needs(&program, None).paths.len(), 2);
}

#[test]
fn missing_loader_is_an_error() {
    let host = Host::new();
    let object = Object { interpreter: Some("/no/such/ld.so".into()), ..Object::default() };
    let result = Resolver::new(LdCache::default(), None, &host.path("")).needs(Path::new("/p"), object);
    assert!(matches!(result, Err(Error::LoaderMissing { .. })));
}

#[test]
fn hosts_ls_gets_its_loader_and_c_library() {
    let path = Path::new("/bin/ls");
    let Ok(Look::X86_64(object)) = elf::look(path, &fs::read(path).unwrap()) else {
        return;
    };
    let needs = Resolver::new(LdCache::of_host(), None, Path::new("/")).needs(path, object.clone()).unwrap();
    assert!(needs.missing.is_empty(), "{:?}", needs.missing);
    assert_eq!(needs.paths.first().and_then(|path| path.to_str()), object.interpreter.as_deref());
    assert!(needs.paths.iter().any(|path| file_name(path).starts_with("libc.")), "{:?}", needs.paths);
}
