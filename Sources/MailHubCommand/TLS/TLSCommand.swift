import Administration
import ArgumentParser

/// The command `mailhub tls`.
struct TLSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls",
        abstract: "Shows how connections to other hosts are protected.",
        discussion: """
            EXAMPLE:
              mailhub tls test example.net
              mailhub tls reports
            """,
        subcommands: [Test.self, Reports.self]
    )

    /// The command `mailhub tls test`.
    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "test",
            abstract: "Shows what a delivery would do now, and why.",
            usage: "mailhub tls test <target> [--json]",
            discussion: """
                The running hub looks at each host of a domain: its TLSA records, the domain's MTA-STS policy, the \
                certificates that the host shows, and whether mail would go there. It connects, and goes no further \
                than EHLO. The status is 1 where mail would wait or fail.

                EXAMPLES:
                  mailhub tls test example.net
                  mailhub tls test mx.example.net:25
                """
        )
        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "A domain, or a host with a port.")
        var target: String

        @Flag(help: "One line of JSON.")
        var json = false

        func run() async throws {
            var isDeliverable = false
            try await self.connection.ask(.tlsTest(target: self.target)) { response in
                guard case .tls(let report) = response else { return }
                isDeliverable = report.isDeliverable
                if self.json { try Output.json(report) } else { Output.print(report.lines.map(Terminal.harmless)) }
            }
            if !isDeliverable { throw ExitCode.failure }
        }
    }

    /// The command `mailhub tls reports`.
    struct Reports: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reports",
            abstract: "Prints the reports on TLS that are yet to be sent.",
            usage: "mailhub tls reports [<domain>]",
            discussion: """
                One line of JSON each, as RFC 8460 has it, today's among them: to the domains that ask for reports in \
                the DNS. Nothing is sent by this.

                EXAMPLE:
                  mailhub tls reports example.net
                """
        )
        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The recipient domain; all of them where it is left out.")
        var domain: String?

        func run() async throws {
            try await self.connection.ask(.tlsReports(domain: self.domain)) { response in
                guard case .answer(let answer) = response else { return }
                Output.print(answer.lines.map(Terminal.escaped))
            }
        }
    }
}

extension TLSReport {
    fileprivate var lines: [String] {
        var lines = [
            "destination:  \(self.destination)", "policy:       \(self.policy)", "MTA-STS:      \(self.mtaSTS)",
        ]
        if let own = self.ownCertificate { lines.append("shows:        \(own.subject), until \(own.notAfter)") }
        for host in self.hosts { lines += [""] + host.lines }
        return lines + ["", self.verdict]
    }
}

extension TLSHostReport {
    fileprivate var lines: [String] {
        var lines = [self.host]
        for record in self.tlsa { lines.append("  TLSA:         \(record)") }
        lines.append("  needs:        \(self.requirement)")
        lines.append("  has:          \(self.security)")
        for certificate in self.certificates {
            lines.append("  certificate:  \(certificate.subject), until \(certificate.notAfter)")
            if !certificate.names.isEmpty {
                lines.append("    names:      \(certificate.names.joined(separator: ", "))")
            }
            lines.append("    issuer:     \(certificate.issuer)")
            lines.append("    SHA-256:    \(certificate.fingerprint)")
        }
        return lines + ["  verdict:      \(self.verdict)"]
    }
}
