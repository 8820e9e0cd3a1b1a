import Testing

@testable import FleetModel

@Test func `a native password is stored as MariaDB stores it`() {
    // SELECT PASSWORD('password'), PASSWORD('ü') of MariaDB 10.11.
    #expect(NativePassword.authenticationString("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19")
    #expect(NativePassword.authenticationString("") == "")
}

@Test func `SHA-1 gives the published digests`() {
    #expect(SHA256.hex(SHA1.hash(Array("abc".utf8))) == "a9993e364706816aba3e25717850c26c9cd0d89d")
    let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
    #expect(SHA256.hex(SHA1.hash(Array(long.utf8))) == "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
}
