import Testing

@testable import SMTP

@Suite("What the log may say about commands")
struct CommandSecretsTests {
    @Test(
        "No initial response of AUTH, which holds the password or a token",
        arguments: [
            (
                Command.auth(mechanism: "PLAIN", initial: "AGFubgBzZWNyZXRwdw=="),
                "auth(PLAIN, with an initial response)"
            ),
            (.auth(mechanism: "LOGIN", initial: nil), "auth(LOGIN)"), (.rset, "rset"),
        ]
    )
    func secrets(command: Command, text: String) { #expect(command.withoutSecrets == text) }
}
