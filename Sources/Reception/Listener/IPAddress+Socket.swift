import NIOCore
import SMTP

extension IPAddress {
    /// The address of a socket, without port and zone; `nil` for a Unix socket.
    ///
    /// From its octets: each connection has one, and by way of text it costs as much as several commands.
    init?(_ address: SocketAddress) {
        /// Where the octets begin in `sockaddr_in` and `sockaddr_in6`, in network order.
        let offset: Int
        switch address {
        case .v4: offset = 4
        case .v6: offset = 8
        case .unixDomainSocket: return nil
        }
        let isIPv4 = offset == 4
        let count = isIPv4 ? 4 : 16
        let octets: (high: UInt64, low: UInt64)? = unsafe address.withSockAddr { pointer, size in
            guard size >= offset + count else { return nil }
            let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: size)
            var (high, low) = (UInt64(0), UInt64(0))
            for index in 0..<count {
                high = high << 8 | low >> 56
                low = unsafe low << 8 | UInt64(bytes[offset + index])
            }
            return (high, low)
        }
        guard let octets else { return nil }
        self = isIPv4 ? .ipv4(UInt32(truncatingIfNeeded: octets.low)) : IPAddress(high: octets.high, low: octets.low)
    }
}
