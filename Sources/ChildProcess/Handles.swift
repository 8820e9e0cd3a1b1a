import CChildProcess
import Glibc

/// Both ends of a pipe, closed once each.
final class Pipe {
    let reading: Int32
    private(set) var writing: Int32

    init() throws(ChildProcessError) {
        var ends: [Int32] = [-1, -1]
        let code = evenkeel_pipe(&ends)
        guard code == 0 else { throw ChildProcessError.notStarted(program: "pipe", errno: code) }
        reading = ends[0]
        writing = ends[1]
    }

    /// In the parent, so that the end of the child is the end of the stream.
    func closeWriting() {
        guard writing >= 0 else { return }
        close(writing)
        writing = -1
    }

    deinit {
        closeWriting()
        close(reading)
    }
}

/// A null-terminated array of C strings, as exec takes it.
final class CStrings {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointer = .allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { pointer[index] = strdup(text) }
        pointer[texts.count] = nil
    }

    deinit {
        for index in 0..<count { free(pointer[index]) }
        pointer.deallocate()
    }
}
