import NIOCore
import SMTP
import Testing

@testable import Reception

@Suite("Addresses of sockets")
struct SocketAddressTests {
    @Test(arguments: [
        "192.0.2.7", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::1", "::", "fe80::1234:5678:9abc:def0",
        "::ffff:192.0.2.7", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
    ])
    func octets(_ text: String) throws {
        #expect(try IPAddress(SocketAddress(ipAddress: text, port: 25)) == IPAddress(text))
    }

    @Test func unixSocket() throws {
        #expect(try IPAddress(SocketAddress(unixDomainSocketPath: "/run/s")) == nil)
    }
}
