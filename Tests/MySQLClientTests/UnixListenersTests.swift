import Glibc
import Testing

@testable import MySQLClient

@Suite struct UnixListenersTests {
    @Test func `only a socket that somebody listens on is worth a connect`() throws {
        var template = Array("/tmp/ek-listen.XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = directory + "/s.sock"
        defer {
            unlink(path)
            rmdir(directory)
        }
        #expect(UnixListeners.isListening(on: path) == false)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        try #require(bind(descriptor, path))
        #expect(UnixListeners.isListening(on: path) == false, "bound, and not listening yet")
        try #require(listen(descriptor, 1) == 0)
        #expect(UnixListeners.isListening(on: path) == true)
        #expect(UnixListeners.isListening(on: directory + "/s.soc") == false)
        #expect(UnixListeners.isListening(on: "s.sock") == false)
        close(descriptor)
        #expect(UnixListeners.isListening(on: path) == false, "its file is left, as after a kill -9")
    }

    private func bind(_ descriptor: Int32, _ path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
