/// One question to a web server.
package struct HTTPSRequest: Hashable, Sendable {
    package enum Method: String, Hashable, Sendable { case get = "GET", post = "POST" }
    package var method = Method.get
    /// The server's name, which its certificate must be for.
    package var host: String
    package var port = 443
    /// Absolute, with its query.
    package var path: String
    /// The media type of the body.
    package var contentType: String?
    package var body: [UInt8] = []

    package init(host: String, path: String) {
        self.host = host
        self.path = path
    }
}

/// What it answered.
package struct HTTPSResponse: Hashable, Sendable {
    package let status: Int
    /// Without parameters, in lower case.
    package let mediaType: String
    package let body: [UInt8]

    package init(status: Int, mediaType: String, body: [UInt8]) {
        self.status = status
        self.mediaType = mediaType
        self.body = body
    }
}

/// Why there is no answer.
package enum HTTPSFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// No address answers.
    case unreachable(String)
    /// No TLS, or a certificate that is not trusted or for another name.
    case insecure(String)
    /// It is not HTTP, is too long, or ends in the middle.
    case malformed(String)
    case timedOut

    package var description: String {
        switch self {
        case .unreachable(let reason), .insecure(let reason), .malformed(let reason): reason
        case .timedOut: "no answer in time"
        }
    }
}
