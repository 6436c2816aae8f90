import ArgumentParser
import Foundation

/// The command `mailhub plugin new`.
struct PluginNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Writes the folder of a new plugin: source, test, README and a configuration sample.",
        discussion: """
            What is written builds, and its test passes: a plugin that refuses messages with a certain header field, to be \
            made into something else. Nothing that exists is overwritten. Run it in the folder of Package.swift.

            EXAMPLES:
              mailhub plugin new HouseRules
              mailhub plugin new HouseRules --folder Plugins
            """
    )

    @Argument(help: "The plugin's name: the Swift type, the module, and \"plugin\" in config.json.")
    var name: String

    @Option(help: ArgumentHelp("Where the plugin's folder goes.", valueName: "folder"))
    var folder = "Plugins"

    func validate() throws {
        if let problem = PluginTemplate.problem(withName: self.name) { throw ValidationError(problem) }
    }

    func run() throws {
        let target = URL(filePath: self.folder).appending(path: self.name)
        guard !FileManager.default.fileExists(atPath: target.path) else {
            Output.complain("\(target.relativePath) exists: nothing was written")
            throw ExitCode.failure
        }
        do {
            for (path, text) in PluginTemplate.files(name: self.name) {
                let file = target.appending(path: path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
        } catch {
            Output.complain("cannot write \(target.relativePath): \(error.localizedDescription)")
            throw ExitCode.failure
        }
        Output.print(PluginTemplate.nextSteps(name: self.name, folder: target.relativePath))
    }
}
