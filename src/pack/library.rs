//! Finds the shared libraries that a program needs, in the order in which glibc's loader would find them.
//!
//! For each DT_NEEDED: a library of that name that is loaded already; DT_RPATH of the object and of those that loaded it
//! (unless the object has a DT_RUNPATH); LD_LIBRARY_PATH of the guest's environment; DT_RUNPATH of the object alone;
//! ld.so.cache; the default directories (ld.so(8)). Libraries for other processors are passed over, as the loader does.
//! It refuses to guess: a library that is nowhere is an error that says who needs it and where it was looked for.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::elf::{self, Look, Object};
use super::ld_cache::LdCache;

/// Where loaders look at last. Debian's come first, so that a cache is not needed there.
const DEFAULT_FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
];
/// What `$LIB` stands for: Debian's multiarch directory, or the one of the other distributions.
const LIB_TOKEN: [&str; 2] = ["lib/x86_64-linux-gnu", "lib64"];

/// A file this large is no library but an image that happens to have the name; it is not read into memory.
const LARGEST_LIBRARY: u64 = 1 << 30;

/// Knows where the host keeps its libraries.
#[derive(Debug)]
pub struct Resolver {
    cache: LdCache,
    library_path: Vec<PathBuf>,
    default_folders: Vec<PathBuf>,
    cwd: PathBuf,
}

/// What one object brings along.
#[derive(Debug, Default)]
pub struct Needs {
    /// Paths as the loader opens them, links not followed: the loader itself, then the libraries, breadth first.
    pub paths: Vec<PathBuf>,
    /// Libraries that were not found, as errors.
    pub missing: Vec<Error>,
}

/// One object on the loader's list, and who loaded it.
struct Loaded {
    path: PathBuf,
    object: Object,
    loader: Option<usize>,
}

impl Resolver {
    /// `library_path` is LD_LIBRARY_PATH as the guest's program will have it; empty and relative parts of it start from
    /// `cwd`, as they do for the loader.
    pub fn new(cache: LdCache, library_path: Option<&str>, cwd: &Path) -> Self {
        let parts = library_path.into_iter().filter(|list| !list.is_empty()).flat_map(|list| list.split([':', ';']));
        Self {
            cache,
            library_path: parts.map(|part| cwd.join(part)).collect(),
            default_folders: DEFAULT_FOLDERS.map(PathBuf::from).to_vec(),
            cwd: cwd.to_owned(),
        }
    }

    /// Everything that `object`, read from `path`, needs to run or to be loaded.
    ///
    /// # Errors
    /// A loader that is not there. Missing libraries are in the result, for the caller to judge.
    pub fn needs(&self, path: &Path, object: Object) -> Result<Needs, Error> {
        let mut needs = Needs::default();
        let mut by_name: BTreeSet<String> = BTreeSet::new();
        if let Some(interpreter) = &object.interpreter {
            let loader = self.cwd.join(interpreter);
            if !loader.is_file() {
                return Err(Error::LoaderMissing { loader, program: path.to_owned() });
            }
            // The loader is on its own list, so a DT_NEEDED of its name is satisfied.
            by_name.insert(file_name(&loader));
            needs.paths.push(loader);
        }
        let mut list = vec![Loaded { path: path.to_owned(), object, loader: None }];
        let mut next = VecDeque::from([0]);
        while let Some(index) = next.pop_front() {
            let wanted = list.get(index).map(|loaded| loaded.object.needed.clone()).unwrap_or_default();
            for name in wanted {
                if !by_name.insert(name.clone()) {
                    continue;
                }
                let found = self.find(&name, &list, index);
                if found.is_empty() {
                    needs.missing.push(self.missing(&name, &list, index));
                }
                for (path, object) in found {
                    if !needs.paths.contains(&path) {
                        needs.paths.push(path.clone());
                        list.push(Loaded { path, object, loader: Some(index) });
                        next.push_back(list.len() - 1);
                    }
                }
            }
        }
        Ok(needs)
    }

    /// A library by name, as `dlopen` from the program itself would find it; empty if there is none.
    pub fn find_by_name(&self, name: &str) -> Vec<PathBuf> {
        let nobody = [Loaded { path: PathBuf::from("/"), object: Object::default(), loader: None }];
        self.find(name, &nobody, 0).into_iter().map(|(path, _)| path).collect()
    }

    /// The library that the loader would take. The cache may give several variants, see [`LdCache::paths`].
    fn find(&self, name: &str, list: &[Loaded], by: usize) -> Vec<(PathBuf, Object)> {
        if name.contains('/') {
            let origin = list.get(by).map(|loaded| origin(&loaded.path)).unwrap_or_default();
            let paths = expand(name, &origin).into_iter().map(|path| self.cwd.join(path));
            return paths.filter_map(usable).take(1).collect();
        }
        let mut folders = self.own_folders(list, by).into_iter();
        if let Some(found) = folders.find_map(|folder| usable(folder.join(name))) {
            return vec![found];
        }
        let cached: Vec<_> = self.cache.paths(name).filter_map(|path| usable(path.clone())).collect();
        if !cached.is_empty() {
            return cached;
        }
        self.default_folders.iter().find_map(|folder| usable(folder.join(name))).into_iter().collect()
    }

    /// The directories that stand before the cache, in order.
    fn own_folders(&self, list: &[Loaded], by: usize) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let Some(asking) = list.get(by) else {
            return folders;
        };
        if asking.object.runpath.is_none() {
            let mut at = Some(asking);
            while let Some(loaded) = at {
                // An RPATH counts for everything that is loaded below its object, unless a RUNPATH replaces it.
                if loaded.object.runpath.is_none() {
                    folders.extend(self.folders(loaded.object.rpath.as_deref(), &loaded.path));
                }
                at = loaded.loader.and_then(|index| list.get(index));
            }
        }
        folders.extend(self.library_path.iter().cloned());
        folders.extend(self.folders(asking.object.runpath.as_deref(), &asking.path));
        folders
    }

    fn folders(&self, list: Option<&str>, of: &Path) -> Vec<PathBuf> {
        let origin = origin(of);
        let parts = list.into_iter().flat_map(|list| list.split(':'));
        parts.flat_map(|part| expand(part, &origin)).map(|folder| self.cwd.join(folder)).collect()
    }

    fn missing(&self, library: &str, list: &[Loaded], by: usize) -> Error {
        let mut searched: Vec<String> =
            self.own_folders(list, by).iter().map(|folder| folder.display().to_string()).collect();
        searched.push("/etc/ld.so.cache".to_owned());
        searched.extend(self.default_folders.iter().map(|folder| folder.display().to_string()));
        let needed_by = list.get(by).map(|loaded| loaded.path.clone()).unwrap_or_default();
        Error::LibraryMissing { library: library.to_owned(), needed_by, searched: searched.join(", ") }
    }
}

/// A file that the loader would accept: there, readable, and x86-64.
fn usable(path: PathBuf) -> Option<(PathBuf, Object)> {
    // Asked before it is opened: a pipe of that name would keep the reader waiting.
    let meta = fs::metadata(&path).ok()?;
    if !meta.is_file() || meta.len() > LARGEST_LIBRARY {
        return None;
    }
    let bytes = fs::read(&path).ok()?;
    match elf::look(&path, &bytes) {
        Ok(Look::X86_64(object)) => Some((path, object)),
        Ok(Look::Other | Look::Foreign(_)) | Err(_) => None,
    }
}

/// `$ORIGIN` is the directory of the object with links resolved, as the kernel tells the loader.
fn origin(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real.parent().unwrap_or(Path::new("/")).to_owned()
}

/// Replaces `$ORIGIN`, `$LIB` and `$PLATFORM`, also in braces; `$LIB` gives one text for each of its meanings.
fn expand(text: &str, origin: &Path) -> Vec<String> {
    let replace = |text: String, token: &str, value: &str| {
        text.replace(&format!("${{{token}}}"), value).replace(&format!("${token}"), value)
    };
    let text = replace(text.to_owned(), "ORIGIN", &origin.to_string_lossy());
    let text = replace(text, "PLATFORM", "x86_64");
    let mut texts: Vec<String> = LIB_TOKEN.iter().map(|lib| replace(text.clone(), "LIB", lib)).collect();
    texts.dedup();
    texts
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
