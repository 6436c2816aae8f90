/// How long the sending side waits (RFC 5321 section 4.5.3.2).
package struct ClientTimeouts: Hashable, Sendable {
    /// For the TCP connection.
    package var connect: Duration = .seconds(30)
    package var greeting: Duration = .seconds(300)
    package var hello: Duration = .seconds(300)
    /// For the TLS handshake.
    package var handshake: Duration = .seconds(60)
    package var mail: Duration = .seconds(300)
    package var recipient: Duration = .seconds(300)
    package var data: Duration = .seconds(120)
    /// For the server to take some more content.
    package var block: Duration = .seconds(180)
    /// For the reply to the end of data.
    package var endOfData: Duration = .seconds(600)
    /// For the reply to QUIT: a courtesy, so short.
    package var quit: Duration = .seconds(10)

    package init() {}
}
