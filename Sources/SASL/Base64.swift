import Foundation

/// Base64 as SASL has it: with padding, and nothing in between (RFC 4648 section 4, RFC 4954 section 4).
package enum Base64 {
    package static func encode(_ octets: [UInt8]) -> String { Data(octets).base64EncodedString() }

    /// - Returns: `nil` for anything that is not base64.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        return Data(base64Encoded: Data(text)).map { Array($0) }
    }
}
