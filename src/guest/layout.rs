//! Where the members of the kernel's structures are: a table of what this room asks for, resolved once a kernel.

use super::absent::{Known, Why};
use super::btf::Types;

macro_rules! members {
    ($($name:ident $type_name:literal $path:literal)*) => {
        /// A member of a kernel structure.
        #[allow(missing_docs, reason = "the table below says what each is")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Member { $($name),* }
        const MEMBERS: &[Place] = &[
            $(Place { type_name: $type_name, path: $path, what: concat!($type_name, ".", $path) }),*
        ];
    };
}

struct Place {
    type_name: &'static str,
    path: &'static str,
    what: &'static str,
}

members! {
    TaskState           "task_struct" "__state"
    TaskExitState       "task_struct" "exit_state"
    TaskExitCode        "task_struct" "exit_code"
    TaskFlags           "task_struct" "flags"
    TaskPid             "task_struct" "pid"
    TaskTgid            "task_struct" "tgid"
    TaskParent          "task_struct" "real_parent"
    TaskLeader          "task_struct" "group_leader"
    TaskComm            "task_struct" "comm"
    TaskCred            "task_struct" "cred"
    TaskStartedBoot     "task_struct" "start_boottime"
    TaskMm              "task_struct" "mm"
    TaskFs              "task_struct" "fs"
    TaskFiles           "task_struct" "files"
    TaskSignal          "task_struct" "signal"
    TaskThreadNode      "task_struct" "thread_node"
    TaskTasks           "task_struct" "tasks"
    TaskStack           "task_struct" "stack"
    HotCurrent          "pcpu_hot" "current_task"
    SignalThreads       "signal_struct" "thread_head"
    CredUid             "cred" "uid"
    CredGid             "cred" "gid"
    CredSuid            "cred" "suid"
    CredSgid            "cred" "sgid"
    CredEuid            "cred" "euid"
    CredEgid            "cred" "egid"
    CredFsuid           "cred" "fsuid"
    CredFsgid           "cred" "fsgid"
    CredCaps            "cred" "cap_effective"
    MmPgd               "mm_struct" "pgd"
    MmExe               "mm_struct" "exe_file"
    MmArgStart          "mm_struct" "arg_start"
    MmArgEnd            "mm_struct" "arg_end"
    MmEnvStart          "mm_struct" "env_start"
    MmEnvEnd            "mm_struct" "env_end"
    MmBrkStart          "mm_struct" "start_brk"
    MmBrk               "mm_struct" "brk"
    MmStack             "mm_struct" "start_stack"
    MmTree              "mm_struct" "mm_mt.ma_root"
    MapleRangePivots    "maple_range_64" "pivot"
    MapleRangeSlots     "maple_range_64" "slot"
    MapleArangePivots   "maple_arange_64" "pivot"
    MapleArangeSlots    "maple_arange_64" "slot"
    VmaStart            "vm_area_struct" "vm_start"
    VmaEnd              "vm_area_struct" "vm_end"
    VmaFlags            "vm_area_struct" "vm_flags"
    VmaPageOffset       "vm_area_struct" "vm_pgoff"
    VmaFile             "vm_area_struct" "vm_file"
    VmaOps              "vm_area_struct" "vm_ops"
    VmaPrivate          "vm_area_struct" "vm_private_data"
    VmaAnonName         "vm_area_struct" "anon_name"
    AnonName            "anon_vma_name" "name"
    SpecialMappingName  "vm_special_mapping" "name"
    FsRoot              "fs_struct" "root"
    FsPwd               "fs_struct" "pwd"
    PathMnt             "path" "mnt"
    PathDentry          "path" "dentry"
    DentryParent        "dentry" "d_parent"
    DentryName          "dentry" "d_name.name"
    DentryNameLength    "dentry" "d_name.len"
    DentryHashed        "dentry" "d_hash.pprev"
    DentryOps           "dentry" "d_op"
    DentryInode         "dentry" "d_inode"
    DentryOpsName       "dentry_operations" "d_dname"
    VfsmountRoot        "vfsmount" "mnt_root"
    MountVfsmount       "mount" "mnt"
    MountParent         "mount" "mnt_parent"
    MountPoint          "mount" "mnt_mountpoint"
    FilesTable          "files_struct" "fdt"
    TableMax            "fdtable" "max_fds"
    TableFiles          "fdtable" "fd"
    TableOpen           "fdtable" "open_fds"
    FilePath            "file" "f_path"
    FileInode           "file" "f_inode"
    FileOps             "file" "f_op"
    FilePosition        "file" "f_pos"
    FileFlags           "file" "f_flags"
    FilePrivate         "file" "private_data"
    InodeNumber         "inode" "i_ino"
    InodeMode           "inode" "i_mode"
    InodeDevice         "inode" "i_rdev"
    InodeSuper          "inode" "i_sb"
    InodePrivate        "inode" "i_private"
    SuperDevice         "super_block" "s_dev"
    NamespaceOps        "ns_common" "ops"
    NamespaceName       "proc_ns_operations" "name"
    SocketType          "socket" "type"
    SocketSock          "socket" "sk"
    SockFamily          "sock" "__sk_common.skc_family"
    SockState           "sock" "__sk_common.skc_state"
    SockPort            "sock" "__sk_common.skc_num"
    SockPeerPort        "sock" "__sk_common.skc_dport"
    SockAddress         "sock" "__sk_common.skc_rcv_saddr"
    SockPeerAddress     "sock" "__sk_common.skc_daddr"
    SockAddress6        "sock" "__sk_common.skc_v6_rcv_saddr"
    SockPeerAddress6    "sock" "__sk_common.skc_v6_daddr"
    SockProtocol        "sock" "sk_protocol"
    UnixAddress         "unix_sock" "addr"
    UnixPeer            "unix_sock" "peer"
    UnixNameLength      "unix_address" "len"
    UnixName            "unix_address" "name"
    NetlinkPort         "netlink_sock" "portid"
    ModuleList          "module" "list"
    ModuleName          "module" "name"
    ModuleState         "module" "state"
    ModuleCoreBase      "module" "core_layout.base"
    ModuleCoreSize      "module" "core_layout.size"
    ModuleInitSize      "module" "init_layout.size"
    ModuleMem0Base      "module" "mem[0].base"
    ModuleMem0Size      "module" "mem[0].size"
    ModuleMem1Base      "module" "mem[1].base"
    ModuleMem1Size      "module" "mem[1].size"
    ModuleMem2Base      "module" "mem[2].base"
    ModuleMem2Size      "module" "mem[2].size"
    ModuleMem3Base      "module" "mem[3].base"
    ModuleMem3Size      "module" "mem[3].size"
    ModuleMem4Base      "module" "mem[4].base"
    ModuleMem4Size      "module" "mem[4].size"
    ModuleMem5Base      "module" "mem[5].base"
    ModuleMem5Size      "module" "mem[5].size"
    ModuleMem6Base      "module" "mem[6].base"
    ModuleMem6Size      "module" "mem[6].size"
    ModuleKallsyms      "module" "kallsyms"
    KallsymsSymbols     "mod_kallsyms" "symtab"
    KallsymsCount       "mod_kallsyms" "num_symtab"
    KallsymsStrings     "mod_kallsyms" "strtab"
    KallsymsKinds       "mod_kallsyms" "typetab"
}

impl Member {
    /// The structure and the member, as the kernel names them.
    pub fn what(self) -> &'static str {
        MEMBERS[self as usize].what
    }
}

/// The offsets of all members in one kernel.
pub struct Layout {
    offsets: Vec<Option<u64>>,
    /// Why there is none at all.
    types: Known<()>,
}

impl Layout {
    /// Looks all members up.
    pub fn of(types: &Known<Types>) -> Layout {
        let offset = |place: &Place| types.as_ref().ok()?.member(place.type_name, place.path).map(|found| found.offset);
        Layout {
            offsets: MEMBERS.iter().map(offset).collect(),
            types: types.as_ref().map(|_| ()).map_err(Clone::clone),
        }
    }

    /// Bytes from the structure's start to a member.
    #[inline]
    pub fn offset(&self, member: Member) -> Known<u64> {
        self.offsets[member as usize].ok_or_else(|| self.why(member))
    }

    #[cold]
    fn why(&self, member: Member) -> super::Absent {
        let Place { type_name, path, what } = MEMBERS[member as usize];
        let why = match &self.types {
            Ok(()) => Why::NoMember { type_name, path },
            Err(absent) => absent.why.clone(),
        };
        why.for_fact(what)
    }
}
