import Glibc
import Synchronization

/// Looks the addresses of a host up by the system's resolver, which blocks and has no time limit: on a thread of its own, which is
/// left behind where it takes too long.
final class HostLookup: Sendable {
    /// An address as the system's calls take it.
    struct Address: Sendable {
        let family: Int32
        let octets: [UInt8]
    }
    /// Why there is none.
    struct Failure: Error {
        let description: String
    }
    private let result = Mutex<Result<[Address], Failure>?>(nil)
    private let done: (read: Int32, write: Int32)

    private init(_ done: (Int32, Int32)) { self.done = done }

    deinit { for descriptor in [self.done.read, self.done.write] { _ = close(descriptor) } }

    /// The addresses of a host, in the order to be tried.
    ///
    /// - Parameter deadline: by `MonotonicTime`.
    static func addresses(of host: String, port: Int, until deadline: Int64) throws(Failure) -> [Address] {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Failure(description: "no descriptor") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let lookup = HostLookup((ends[0], ends[1]))
        let isStarted = BackgroundThread.start {
            let result = Self.ask(host, port)
            lookup.result.withLock { $0 = result }
            var octet: UInt8 = 1
            _ = unsafe write(lookup.done.write, &octet, 1)
        }
        guard isStarted else { throw Failure(description: "no thread") }
        var waiting = pollfd(fd: lookup.done.read, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&waiting, 1, Int32(clamping: max(0, deadline - MonotonicTime.now))) < 0, errno == EINTR {}
        switch lookup.result.withLock({ $0 }) {
        case .success(let addresses): return addresses
        case .failure(let failure): throw failure
        case nil: throw Failure(description: "no answer in time")
        }
    }

    private static func ask(_ host: String, _ port: Int) -> Result<[Address], Failure> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { return .failure(Failure(description: unsafe String(cString: gai_strerror(code)))) }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [Address] = []
        var entry = unsafe list
        while let address = unsafe entry {
            let octets = unsafe UnsafeRawBufferPointer(
                start: address.pointee.ai_addr,
                count: Int(address.pointee.ai_addrlen)
            )
            addresses.append(Address(family: unsafe address.pointee.ai_family, octets: unsafe Array(octets)))
            unsafe entry = address.pointee.ai_next
        }
        return .success(addresses)
    }
}
