import Foundation

/// The configuration does not tell where the control socket is.
struct UnreadableConfiguration: Error, CustomStringConvertible {
    let path: String, reason: String
    var description: String { "cannot read \(self.path): \(self.reason); name the control socket with --socket" }
}

/// Where the hub with this configuration has its control socket: `control.socket`, relative to the configuration's folder.
///
/// Only this one key is looked at, so that a hub can still be operated while the configuration on disk is being edited.
func controlSocketPath(config: String) throws(UnreadableConfiguration) -> String {
    struct Configuration: Decodable {
        struct Control: Decodable { var socket: String? }
        var control: Control?
    }
    let file = URL(fileURLWithPath: config)
    let socket: String?
    do {
        socket = try JSONDecoder().decode(Configuration.self, from: Data(contentsOf: file)).control?.socket
    } catch is DecodingError {
        throw UnreadableConfiguration(path: config, reason: "not a configuration in JSON")
    } catch {
        throw UnreadableConfiguration(path: config, reason: "no such file, or permission denied")
    }
    return URL(fileURLWithPath: socket ?? "var/run/control.sock", relativeTo: file.deletingLastPathComponent()).path
}
