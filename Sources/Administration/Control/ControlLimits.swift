/// How much one operator may ask of the control socket.
package struct ControlLimits: Sendable {
    /// The longest request line, in octets.
    package var requestSize = 64 * 1024
    /// How long a client may take to send its request.
    package var requestTime: Duration = .seconds(10)
    /// How long a connection may last altogether, slow readers of long listings included.
    package var connectionTime: Duration = .seconds(600)
    /// How many connections are served at once; further ones are told that the hub is busy.
    package var connections = 16

    package init() {}
}
