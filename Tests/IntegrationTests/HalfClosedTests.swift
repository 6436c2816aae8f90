import Foundation
import TestSupport
import Testing

@Suite("Clients that shut their sending side behind what they say")
struct HalfClosedTests {
    @Test("they get all their replies; who has left nothing to answer is taken for gone")
    func replies() async throws {
        try await onThread {
            guard let python = try Peer.find("python3") else { return }
            let scenario = try Scenario()
            try scenario.hub.start()
            let program = """
                import socket
                def say(text):
                    s = socket.create_connection(("127.0.0.1", \(scenario.hub.port)), timeout=60)
                    s.sendall(text.replace("\\n", "\\r\\n").encode())
                    s.shutdown(socket.SHUT_WR)
                    replies = b""
                    while piece := s.recv(4096): replies += piece
                    return [line[:3].decode() for line in replies.split(b"\\r\\n") if line[3:4] == b" "]
                head = "EHLO c.example\\nMAIL FROM:<a@example.net>\\nRCPT TO:<ann@example.org>\\nDATA\\n"
                print(*say(head + "Subject: x\\n\\nhello\\n.\\nQUIT\\n"))
                print(*say(head + "Subject: x\\n\\nhello\\n.\\nNOOP\\nMAIL FROM:<b@exam"))
                print(*say(head + "Subject: half"))
                for _ in range(50): say("NOOP\\n")
                for _ in range(50): say("")
                print("done")
                """
            let (status, output) = try python.run(["-c", program])
            #expect(status == 0)
            let lines = output.split(separator: "\n").map(String.init)
            #expect(lines.first == "220 250 250 250 354 250 221", "\(output)")
            #expect(lines.dropFirst().first == "220 250 250 250 354 250 250", "\(output)")
            #expect(lines.last == "done", "\(output)")
            #expect(eventually { scenario.hub.mailbox("ann").count == 2 })
            #expect(scenario.hub.mailbox("ann").count == 2)
            #expect(scenario.hub.stop() == 0)
        }
    }
}
