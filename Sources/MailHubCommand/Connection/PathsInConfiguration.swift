import Foundation

/// The configuration does not tell where something is.
struct UnreadableConfiguration: Error, CustomStringConvertible {
    let path: String, reason: String
    /// What names it instead.
    let fix: String
    var description: String { "cannot read \(self.path): \(self.reason); \(self.fix)" }
}

/// Where the hub with this configuration has its control socket: `control.socket`, relative to the configuration's folder.
func controlSocketPath(config: String) throws(UnreadableConfiguration) -> String {
    struct Configuration: Decodable {
        struct Control: Decodable { var socket: String? }
        var control: Control?
    }
    let read = try part(Configuration.self, of: config, fix: "name the control socket with --socket")
    return path(read.control?.socket ?? "var/run/control.sock", from: config)
}

/// Where the users of the hub with this configuration are: `authentication.users`, relative to the configuration's folder.
func userFilePath(config: String) throws(UnreadableConfiguration) -> String {
    struct Configuration: Decodable {
        struct Authentication: Decodable { var users: String? }
        var authentication: Authentication?
    }
    let fix = "add \"authentication\": { \"users\": \"users\" }, or name the file with --file"
    guard let users = try part(Configuration.self, of: config, fix: fix).authentication?.users else {
        throw UnreadableConfiguration(path: config, reason: "it names no file of users", fix: fix)
    }
    return path(users, from: config)
}

/// Reads the keys of a type and nothing else, so that a hub can still be operated while the configuration on disk is being edited.
private func part<Part: Decodable>(
    _ type: Part.Type,
    of config: String,
    fix: String
) throws(UnreadableConfiguration) -> Part {
    do {
        return try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: config)))
    } catch is DecodingError {
        throw UnreadableConfiguration(path: config, reason: "not a configuration in JSON", fix: fix)
    } catch {
        throw UnreadableConfiguration(path: config, reason: "no such file, or permission denied", fix: fix)
    }
}

private func path(_ path: String, from config: String) -> String {
    URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: config).deletingLastPathComponent()).path
}
