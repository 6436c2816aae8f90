import ArgumentParser
import Foundation
import Glibc
import MailHub

/// The command `mailhub user`.
struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Shows and changes who may submit mail with a password.",
        discussion: """
            The users are in the file that config.json names as authentication.users. A running hub takes a changed file \
            into use within seconds. Passwords are read from the terminal, or from standard input where that is none; the \
            file has keys made of them, not the passwords.

            EXAMPLES:
              mailhub user add ann --address ann@example.org
              mailhub user list
            """,
        subcommands: [Add.self, Passwd.self, Remove.self, List.self, Verify.self]
    )

    /// Which file is meant.
    struct Options: ParsableArguments {
        @Option(help: ArgumentHelp("The configuration, which names the file.", valueName: "file"))
        var config = "config.json"

        @Option(help: ArgumentHelp("The file of users itself.", valueName: "file"))
        var file: String?

        func editor() throws -> UserFileEditor {
            do {
                return try UserFileEditor(path: try self.file ?? userFilePath(config: self.config))
            } catch {
                Output.complain("\(error)")
                throw ExitCode.failure
            }
        }
    }

    /// Which user is meant: one that is there.
    struct Existing: ParsableArguments {
        @OptionGroup var options: Options

        @Argument(help: "The user.")
        var name: String

        func editor() throws -> UserFileEditor {
            let editor = try self.options.editor()
            guard editor.has(self.name) else {
                Output.complain("there is no user \(self.name): see mailhub user list")
                throw ExitCode.failure
            }
            return editor
        }
    }

    /// The command `mailhub user add`.
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Adds a user; asks for the password.",
            usage: "mailhub user add <name> [--address <address> ...] [--config <file>]",
            discussion: """
                Without --address the user may send as the name itself, where that is an address, or else as the name at \
                each domain of the site.

                EXAMPLES:
                  mailhub user add ann
                  mailhub user add sales --address sales@example.org
                """
        )
        @OptionGroup var options: Options

        @Option(name: .customLong("address"), help: "An address that the user may send as; may be repeated.")
        var addresses: [String] = []

        @Argument(help: "What the user logs in as: one word, such as ann or ann@example.org.")
        var name: String

        func run() throws {
            var editor = try self.options.editor()
            guard !editor.has(self.name) else {
                Output.complain("\(self.name) is there already: use mailhub user passwd for another password")
                throw ExitCode.failure
            }
            let isNew = editor.isNew
            try change { try editor.add(self.name, password: Password.ask(twice: true), addresses: self.addresses) }
            Output.print("added \(self.name)")
            if isNew, geteuid() == 0 {
                Output.complain(
                    "the new file \(editor.path) is root's, and nobody else can read it: "
                        + "chown it to the user that the hub runs as, if that is another one"
                )
            }
        }
    }

    /// The command `mailhub user passwd`.
    struct Passwd: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "passwd",
            abstract: "Gives a user another password.",
            usage: "mailhub user passwd <name> [--config <file>]",
            discussion: """
                EXAMPLE:
                  mailhub user passwd ann
                """
        )
        @OptionGroup var user: Existing

        func run() throws {
            var editor = try self.user.editor()
            try change { try editor.changePassword(of: self.user.name, to: Password.ask(twice: true)) }
            Output.print("changed the password of \(self.user.name)")
        }
    }

    /// The command `mailhub user remove`.
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Removes a user.",
            usage: "mailhub user remove <name> [--config <file>]",
            discussion: """
                Sessions that are authenticated go on.

                EXAMPLE:
                  mailhub user remove ann
                """
        )
        @OptionGroup var user: Existing

        func run() throws {
            var editor = try self.user.editor()
            try change { try editor.remove(self.user.name) }
            Output.print("removed \(self.user.name)")
        }
    }

    /// The command `mailhub user list`.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Shows the users and their addresses.",
            usage: "mailhub user list [--json] [--config <file>]",
            discussion: """
                EXAMPLE:
                  mailhub user list
                """
        )
        @OptionGroup var options: Options

        @Flag(help: "One line of JSON for each user.")
        var json = false

        func run() throws {
            let entries = try self.options.editor().entries
            if self.json {
                for entry in entries { try Output.json(entry) }
                return
            }
            var table = Table(columns: [.left("USER"), .left("MAY SEND AS")])
            for entry in entries {
                table.add([entry.name, entry.addresses.isEmpty ? "own name" : entry.addresses.joined(separator: " ")])
            }
            Output.print(table.lines(for: .standardOutput))
        }
    }

    /// The command `mailhub user verify`.
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Says whether a password is the user's: status 0 or 1.",
            usage: "mailhub user verify <name> [--config <file>]",
            discussion: """
                EXAMPLE:
                  mailhub user verify ann
                """
        )
        @OptionGroup var user: Existing

        func run() throws {
            let editor = try self.user.editor()
            let isRight = try editor.verify(self.user.name, password: Password.ask(twice: false))
            Output.print(isRight ? "the password is right" : "the password is wrong")
            if !isRight { throw ExitCode.failure }
        }
    }
}

/// Does a change, and tells why where it was not done.
private func change(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let code as ExitCode {
        throw code
    } catch {
        Output.complain("\(error)")
        throw ExitCode.failure
    }
}
