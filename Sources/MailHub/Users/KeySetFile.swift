import Foundation
import OAuth

/// The file of an issuer's keys.
enum KeySetFile {
    /// Octets at most.
    private static let largest = 1 << 20

    /// Reads it.
    static func read(_ path: String) throws(KeySet.Problem) -> KeySet {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw KeySet.Problem(description: "cannot be read")
        }
        guard data.count <= Self.largest else { throw KeySet.Problem(description: "is larger than 1 MiB") }
        return try KeySet([UInt8](data))
    }
}
