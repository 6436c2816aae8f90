import Testing

@Suite("Dialogues: Tests/Dialogues, each line by line, in one write and octet by octet")
struct DialogueTests {
    @Test(arguments: Dialogue.all, DialoguePlayer.Pieces.allCases)
    func play(_ dialogue: Dialogue, _ pieces: DialoguePlayer.Pieces) async throws {
        try await DialoguePlayer(dialogue: dialogue, pieces: pieces).play()
    }

    @Test("there are dialogues, and each has requirements or a clause at its top")
    func dialoguesAreThere() { #expect(Dialogue.all.count > 50) }
}
