import Glibc

/// Connects, secures and binds, each step within its limit: for a thread of its own, since the steps block.
enum LDAPConnector {
    /// A connection that is ready for searches.
    ///
    /// - Throws: `LDAPFailure`, with server and step.
    static func connect(to server: LDAPServer, _ settings: LDAPSettings) throws(LDAPFailure) -> LDAPHandle {
        let limits = settings.timeouts
        let handle = try Self.secured(server, settings)
        var step = "bind (\(settings.bind))"
        do throws(LDAPLibraryError) {
            try handle.bind(settings.bind, within: limits.bind)
            step = "first search"
            try handle.check(within: limits.search)
            handle.becomeNonblocking()
            return handle
        } catch {
            throw LDAPFailure(server, step, error.description)
        }
    }

    /// A connection on which nobody is bound yet, encrypted as the settings say.
    static func secured(_ server: LDAPServer, _ settings: LDAPSettings) throws(LDAPFailure) -> LDAPHandle {
        let limits = settings.timeouts
        let descriptor = try Self.socket(to: server, within: limits.connect)
        var step = "connect"
        Self.limitReads(of: descriptor, to: max(limits.tls, limits.bind))
        do throws(LDAPLibraryError) {
            let handle = try LDAPHandle(takingOwnershipOf: descriptor, server: server)
            handle.limitMessages(to: settings.messageSize)
            if server.transport == .plain, settings.usesStartTLS {
                step = "StartTLS"
                try handle.startTLS(within: limits.tls)
                try handle.secure(settings)
            } else if server.transport == .tls {
                step = "TLS"
                try handle.secure(settings)
            }
            return handle
        } catch {
            throw LDAPFailure(server, step, error.description)
        }
    }

    /// A server that stops in the middle of a message cannot hold the thread: while it connects the socket blocks.
    private static func limitReads(of descriptor: Int32, to limit: Duration) {
        let milliseconds = limit.milliseconds
        var time = timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    private static func socket(to server: LDAPServer, within limit: Duration) throws(LDAPFailure) -> Int32 {
        let deadline = MonotonicTime.now + limit.milliseconds
        if case .local(let path) = server.transport { return try Self.localSocket(path, server, deadline) }
        let addresses: [HostLookup.Address]
        do throws(HostLookup.Failure) {
            addresses = try HostLookup.addresses(of: server.host, port: server.port, until: deadline)
        } catch {
            throw LDAPFailure(server, "find the address", error.description)
        }
        var reason = "no address"
        for address in addresses {
            do throws(ConnectError) {
                return try Self.connected(to: address, deadline)
            } catch {
                reason = error.description
            }
        }
        throw LDAPFailure(server, "connect", reason)
    }

    private static func localSocket(_ path: String, _ server: LDAPServer, _ deadline: Int64) throws(LDAPFailure)
        -> Int32
    {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8)
        let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard octets.count < room.count else { return false }
            unsafe room.copyBytes(from: octets)
            return true
        }
        guard fits else { throw LDAPFailure(server, "connect", "the path is too long") }
        let whole = unsafe withUnsafeBytes(of: &address) { unsafe Array($0) }
        do throws(ConnectError) {
            return try Self.connected(to: HostLookup.Address(family: AF_UNIX, octets: whole), deadline)
        } catch {
            throw LDAPFailure(server, "connect", error.description)
        }
    }

    private struct ConnectError: Error {
        let description: String
        init(_ code: Int32) { self.description = unsafe String(cString: strerror(code)) }
        init(text: String) { self.description = text }
    }

    /// A connected socket, which blocks again.
    private static func connected(
        to address: HostLookup.Address,
        _ deadline: Int64
    ) throws(ConnectError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw ConnectError(errno) }
        var error: Int32 = 0
        let code = unsafe address.octets.withUnsafeBytes { octets in
            let pointer = unsafe octets.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            return unsafe Glibc.connect(descriptor, pointer, socklen_t(octets.count))
        }
        if code != 0 {
            error = errno
            if error == EINPROGRESS { error = Self.outcome(of: descriptor, deadline) }
        }
        guard error == 0 else {
            _ = close(descriptor)
            throw error == ETIMEDOUT ? ConnectError(text: "no answer in time") : ConnectError(error)
        }
        if address.family != AF_UNIX {
            var yes: Int32 = 1
            let size = socklen_t(MemoryLayout<Int32>.size)
            _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, size)
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, size)
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return descriptor
    }

    private static func outcome(of descriptor: Int32, _ deadline: Int64) -> Int32 {
        while true {
            let left = deadline - MonotonicTime.now
            guard left > 0 else { return ETIMEDOUT }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let count = unsafe poll(&waiting, 1, Int32(clamping: left))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return ETIMEDOUT }
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
        }
    }
}
