import Primitives

/// What a Solana message of version 0 says, read from its bytes by somebody who signs it for
/// another. Source of the layout: solana-sdk, `v0::Message`.
struct SolanaMessageReading {
    struct Instruction {
        let program: SolanaAddress
        /// The accounts; `nil` for those that only a lookup table names.
        let accounts: [SolanaAddress?]
        let data: [UInt8]

        func account(_ place: Int) -> SolanaAddress? {
            place < accounts.count ? accounts[place] : nil
        }

        /// The number of the data from a byte on, the lowest byte first.
        func number<Number: FixedWidthInteger>(at start: Int) -> Number? {
            let size = Number.bitWidth / 8
            guard data.count >= start + size else { return nil }
            return data[start..<start + size].reversed().reduce(0) { $0 << 8 | Number($1) }
        }
    }

    let signers: Int
    /// The accounts that the message itself names; the first pays.
    let accounts: [SolanaAddress]
    let instructions: [Instruction]

    /// `nil` for anything that is not exactly a message.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= SolanaMessage.packetBytes, let parts = try? Self.parts(bytes) else {
            return nil
        }
        (signers, accounts, instructions) = parts
    }

    private static func parts(
        _ bytes: [UInt8]
    ) throws(CodecError) -> (Int, [SolanaAddress], [Instruction]) {
        var reader = ByteReader(bytes)
        guard try reader.readUInt8() == 0x80 else { throw .invalidValue("version") }
        let signers = Int(try reader.readUInt8())
        _ = try reader.readRaw(count: 2)
        var accounts: [SolanaAddress] = []
        for _ in 0..<(try reader.readCompact()) { accounts.append(try reader.read()) }
        guard signers <= accounts.count else { throw .invalidValue("signers") }
        _ = try reader.readDigest()
        var raw: [(program: Int, accounts: [UInt8], data: [UInt8])] = []
        for _ in 0..<(try reader.readCompact()) {
            let program = Int(try reader.readUInt8())
            let places = try reader.readRaw(count: try reader.readCompact())
            raw.append((program, places, try reader.readRaw(count: try reader.readCompact())))
        }
        var looked = 0
        for _ in 0..<(try reader.readCompact()) {
            _ = try reader.readDigest()
            for _ in 0..<2 {
                let count = try reader.readCompact()
                _ = try reader.readRaw(count: count)
                looked += count
            }
        }
        try reader.finish()
        var instructions: [Instruction] = []
        for (program, places, data) in raw {
            // A program never comes from a table.
            guard program < accounts.count,
                places.allSatisfy({ Int($0) < accounts.count + looked })
            else { throw .invalidValue("account") }
            instructions.append(
                Instruction(
                    program: accounts[program],
                    accounts: places.map { Int($0) < accounts.count ? accounts[Int($0)] : nil },
                    data: data))
        }
        return (signers, accounts, instructions)
    }
}

extension ByteReader {
    /// Reads a count in seven bits a byte, the lowest first: Solana's `compact-u16`.
    fileprivate mutating func readCompact() throws(CodecError) -> Int {
        var value = 0
        for shift in [0, 7, 14] {
            let byte = try readUInt8()
            value |= Int(byte & 127) << shift
            guard byte & 128 != 0 else {
                // The last byte of more than one is never zero: there is one spelling.
                if byte == 0, shift > 0 { throw .invalidValue("count") }
                return value
            }
        }
        throw .invalidValue("count")
    }
}
