import Glibc
import NIOCore

extension CommandError {
    /// Why a process that listens could not begin to; nil for any other error.
    ///
    /// `address`: as it was configured; `setting`: where, for who mends it.
    init?(_ error: any Error, listeningOn address: String, setting: String) {
        if let unknown = error as? SocketAddressError.UnknownHost {
            self.init("cannot listen on \(address): the name \(unknown.host) is not known", help: "give \(setting) an address of this host")
            return
        }
        guard let code = (error as? IOError)?.errnoCode else { return nil }
        let help: String
        switch code {
        case EADDRINUSE: help = "another process listens there: stop it, or change \(setting)"
        case EADDRNOTAVAIL: help = "this host has no such address: change \(setting)"
        case EACCES: help = "ports below 1024 are for root: change \(setting)"
        default: help = "change \(setting)"
        }
        self.init("cannot listen on \(address): \(String(cString: strerror(code)))", help: help)
    }
}
