import Glibc

/// The library by which a server takes part in a galera cluster: the host's own, whatever version of the server uses it.
enum GaleraProvider {
    private static let paths = [
        "/usr/lib/galera/libgalera_smm.so", "/usr/lib/x86_64-linux-gnu/galera/libgalera_smm.so",
        "/usr/lib/aarch64-linux-gnu/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so",
    ]

    /// Nil where it is not installed.
    static var path: String? { paths.first { access($0, R_OK) == 0 } }

    /// What a configuration names: a start without it says so.
    static var configured: String { path ?? paths[0] }

    /// Throws where it is not installed, with how to get it.
    static func require() throws(EngineError) {
        guard path == nil else { return }
        throw EngineError(.permanent, "libgalera_smm.so is not on this host, and a galera cluster needs it: install the package galera-4")
    }
}
