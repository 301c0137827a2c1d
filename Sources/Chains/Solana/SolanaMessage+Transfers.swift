extension SolanaMessage {
    /// Whether an instruction of it is a transfer of a token program: `Transfer` (3) or
    /// `TransferChecked` (12).
    public var movesTokens: Bool {
        let instructions = SolanaMessageReading(bytes)?.instructions ?? []
        return instructions.contains { instruction in
            [.token, .token2022].contains(instruction.program)
                && [3, 12].contains(instruction.data.first)
        }
    }
}
