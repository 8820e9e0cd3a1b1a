import Glibc

enum HostMemory {
    /// All memory of the host.
    static var totalBytes: Int64 { Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))) }
}
