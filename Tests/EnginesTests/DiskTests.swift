import FleetModel
import Glibc
import MySQLClient
import Synchronization
import Testing

@testable import Engines

/// A small disk of its own; only root can mount one.
private struct SmallDisk {
    let path: String

    init(megabytes: Int) throws {
        var template = Array("/tmp/ek-engines-disk.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw EngineError.system("make", "a test directory") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m,mode=755") == 0 else { throw EngineError.system("mount a tmpfs at", path) }
    }

    func remove() {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    /// Fills what is free, but for `left` bytes.
    func fill(leaving left: Int64) throws {
        let file = open(path + "/filling", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { throw EngineError.system("open", path) }
        defer { close(file) }
        let chunk = [UInt8](repeating: 1, count: 1 << 16)
        while Files.freeBytes(path) > left, write(file, chunk, min(chunk.count, Int(Files.freeBytes(path) - left))) > 0 {}
    }

    func free() { unlink(path + "/filling") }
}

extension RealServers {
    @Suite(.enabled(if: geteuid() == 0, "a small disk can be mounted only by root")) struct Disks {
        @Test func `a disk too small for what was declared is refused before anything is made`() async throws {
            let disk = try SmallDisk(megabytes: 64)
            defer { disk.remove() }
            let host = try TestHost(dataDirectory: disk.path)
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(.install(host.blueprint(1, storageBytes: 1 << 30)), on: 1)
            }
            #expect(error?.kind == .permanent && error?.message.contains("1024 MiB") == true)
            #expect(await host.driver.observe(host.id(1), fingerprintKey: nil) == nil)
        }

        @Test func `a running database on a full disk is told from one that has room`() async throws {
            let disk = try SmallDisk(megabytes: 600)
            defer { disk.remove() }
            let host = try TestHost(dataDirectory: disk.path)
            try await host.make([1])
            #expect(try await host.observe(1).disk == nil)
            try disk.fill(leaving: 0)
            #expect(try await eventually { try await host.observe(1).disk == .full })
            #expect(try await host.observe(1).process == .running)
            disk.free()
            #expect(try await eventually { try await host.observe(1).disk == nil })
        }

        @Test func `a disk that fills up during install leaves a half-made instance that is made again`() async throws {
            let disk = try SmallDisk(megabytes: 600)
            defer { disk.remove() }
            let host = try TestHost(dataDirectory: disk.path)
            try disk.fill(leaving: 8 << 20)
            let error = await #expect(throws: EngineError.self) { try await host.perform(.install(host.blueprint(1)), on: 1) }
            #expect(error?.kind == .permanent && error?.message.contains("is full") == true, "\(error?.message ?? "")")
            #expect(error?.message.contains(disk.path) == true)
            #expect(try await host.observe(1).directory == .halfMade)
            disk.free()
            #expect(try await host.perform(.install(host.blueprint(1)), on: 1).acted)
            try await host.perform(.start, on: 1)
            #expect(try await host.observe(1).process == .running)
            await stop(host)
        }

        @Test func `a clone onto a full disk says so, and is made once there is room`() async throws {
            let disk = try SmallDisk(megabytes: 600)
            defer { disk.remove() }
            let donor = try TestHost()
            try await donor.make([1])
            let receiver = try TestHost(dataDirectory: disk.path, uid: donor.uid)
            try disk.fill(leaving: 8 << 20)
            let error = await #expect(throws: EngineError.self) {
                try await receiver.clone(2, from: 1, donorDriver: donor.driver)
            }
            #expect(error?.kind == .permanent && error?.message.contains("is full") == true, "\(error?.message ?? "")")
            #expect(try await receiver.observe(2).directory == .halfMade)
            #expect(receiver.hasNoProcesses(2))
            disk.free()
            #expect(try await receiver.clone(2, from: 1, donorDriver: donor.driver).acted)
        }

        @Test func `a disk that fills up in the middle of a clone gets its room back, and the clone is made when there is enough`() async throws {
            let disk = try SmallDisk(megabytes: 400)
            defer { disk.remove() }
            let donor = try TestHost()
            try await donor.make([1])
            try await donor.perform(.initialize(replicas: [1]), on: 1, secrets: TestHost.secrets)
            try await donor.perform(.open(epoch: 1, semiSync: false), on: 1)
            try await donor.makeShop()
            _ = try await donor.sql(1, "CREATE TABLE shop.big (text LONGTEXT)")
            _ = try await donor.sql(1, "INSERT INTO shop.big SELECT REPEAT('x', 4000000) FROM shop.seq_1_to_40")
            let receiver = try TestHost(dataDirectory: disk.path, uid: donor.uid)
            // More than is declared is free, and less than the copy needs.
            try disk.fill(leaving: 100 << 20)
            for _ in 1...2 {
                let error = await #expect(throws: EngineError.self) {
                    try await receiver.clone(2, from: 1, donorDriver: donor.driver)
                }
                #expect(error?.kind == .permanent && error?.message.contains("is full") == true, "\(error?.message ?? "")")
                #expect(try await receiver.observe(2).directory == .halfMade)
                #expect(receiver.hasNoProcesses(2))
                #expect(Files.freeBytes(disk.path) > 90 << 20, "what was stored still fills the disk")
            }
            disk.free()
            #expect(try await receiver.clone(2, from: 1, donorDriver: donor.driver).acted)
            #expect(try await receiver.observe(2).directory == .ready)
        }

        @Test func `what a broken attempt left is removed before its room is counted`() async throws {
            let disk = try SmallDisk(megabytes: 400)
            defer { disk.remove() }
            let host = try TestHost(dataDirectory: disk.path)
            // As an agent leaves it that was killed in the middle: most of the disk is held by what is of no value.
            try Files.makeDirectory(host.layout(1).data)
            try Files.write(host.layout(1).halfMadeMark, "")
            let left = open(host.layout(1).data + "/half", O_WRONLY | O_CREAT, 0o600)
            #expect(posix_fallocate(left, 0, 300 << 20) == 0)
            close(left)
            #expect(try await host.perform(.install(host.blueprint(1, storageBytes: 200 << 20)), on: 1).acted)
        }

        @Test func `a look at a replica whose relay log has no room leaves one hanging question at the most`() async throws {
            let disk = try SmallDisk(megabytes: 400)
            defer { disk.remove() }
            let writer = try TestHost()
            try await writer.make([1])
            try await writer.perform(.initialize(replicas: [1, 2]), on: 1, secrets: TestHost.secrets)
            try await writer.perform(.open(epoch: 1, semiSync: false), on: 1)
            try await writer.makeShop()
            _ = try await writer.sql(1, "CREATE TABLE shop.big (text LONGTEXT)")
            let replica = try TestHost(dataDirectory: disk.path, uid: writer.uid)
            try await replica.make([2])
            try await replica.perform(.replicate(source: writer.peer(1)), on: 2)
            try disk.fill(leaving: 0)
            _ = try await writer.sql(1, "INSERT INTO shop.big SELECT REPEAT('x', 4000000) FROM shop.seq_1_to_3")
            #expect(try await eventually(within: .seconds(20)) { try await replica.observe(2).process == .unresponsive })
            for _ in 1...5 { #expect(try await replica.observe(2).process == .unresponsive) }
            let all = try await replica.sql(2, "SHOW FULL PROCESSLIST").records
            #expect(all.count { $0["Info"] == "SHOW SLAVE STATUS" } == 1)
            // The question that hangs, this very list, and the two threads of replication: no look has left another.
            let connections = all.filter { $0["User"] == replica.host.administrator }
            #expect(connections.count <= 2, "\(connections)")
            disk.free()
            // The server looks for room once a minute.
            #expect(try await eventually(within: .seconds(90)) { try await replica.observe(2).process == .running })
            _ = try await replica.perform(.retire, on: 2)
        }

        /// The server has to be gone before its disk is.
        private func stop(_ host: TestHost) async { _ = try? await host.perform(.retire, on: 1) }
    }
}

@Suite struct `Disk probes` {
    @Test func `a write that does not end is a stalled disk, until it does`() async throws {
        var template = Array("/tmp/ek-engines-probe.XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(directory) }
        // Whoever opens a pipe that nobody reads waits.
        let path = directory + "/probe"
        #expect(mkfifo(path, 0o600) == 0)
        let alarms = Mutex(0)
        let (probe, began) = (DiskProbe(path) { alarms.withLock { $0 += 1 } }, ContinuousClock.now)
        #expect(probe.ask() == nil)
        // The write may wait for its turn where other tests are busy, and counts from its begin.
        #expect(try await eventually(within: .seconds(60)) { probe.ask() == .stalled })
        #expect(ContinuousClock.now - began >= DiskProbe.stallMin)
        #expect(try await eventually(within: .seconds(60)) { alarms.withLock { $0 } == 1 })
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        #expect(try await eventually(within: .seconds(60)) { probe.ask() == nil })
    }

    @Test func `a disk that takes writes has no trouble`() async throws {
        let path = "/tmp/ek-engines-probe-\(getpid())"
        defer { unlink(path) }
        let probe = DiskProbe(path)
        #expect(probe.ask() == nil)
        #expect(try await eventually(within: .seconds(60)) { Files.exists(path) })
        // A sync may take its time where other tests write.
        #expect(try await eventually(within: .seconds(60)) { probe.ask() == nil })
    }
}
