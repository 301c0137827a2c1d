public import Primitives

/// "Ethereum signed message" hashes (EIP-191, version 0x45): what a wallet signs as text.
public enum EIP191 {
    /// The hash a wallet signs for `message`.
    public static func digest(_ message: [UInt8]) -> Digest {
        let prefix = "\u{19}Ethereum Signed Message:\n\(message.count)"
        return Keccak256.hash(Array(prefix.utf8) + message)
    }
}

/// Typed structured data (EIP-712), for structs whose fields are all one word.
public enum EIP712 {
    /// The separator that ties a signature to one contract on one chain.
    public static func domainSeparator(
        name: String, version: String, chainID: UInt64, contract: EVMAddress
    ) -> Digest {
        structHash(
            type:
                "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            words: [
                Keccak256.hash(Array(name.utf8)), Keccak256.hash(Array(version.utf8)),
                word(UInt128(chainID)), word(contract),
            ])
    }

    /// The hash of a struct: its type text, then one word for each field in order. Text and bytes
    /// fields are passed as their Keccak-256 hash.
    public static func structHash(type: String, words: [Digest]) -> Digest {
        var bytes = Keccak256.hash(Array(type.utf8)).bytes
        for word in words { bytes += word.bytes }
        return Keccak256.hash(bytes)
    }

    /// What is signed: `0x19 0x01 | domain separator | struct hash`, hashed.
    public static func digest(domain: Digest, structHash: Digest) -> Digest {
        Keccak256.hash([0x19, 0x01] + domain.bytes + structHash.bytes)
    }

    /// A number as one 32-byte big-endian word.
    public static func word(_ value: UInt128) -> Digest {
        Digest(
            words: (
                0, 0, UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value)
            ))
    }

    /// An address as one 32-byte word, padded on the left.
    public static func word(_ address: EVMAddress) -> Digest { address.word }
}

extension EVMAddress {
    /// The address in the mixed-case checksum spelling of EIP-55, with `0x`.
    public var checksummed: String {
        let digits = Array(hex.utf8.dropFirst(2))
        let hash = Keccak256.hash(digits).bytes
        var text: [UInt8] = Array("0x".utf8)
        for (index, digit) in digits.enumerated() {
            let nibble = index.isMultiple(of: 2) ? hash[index / 2] >> 4 : hash[index / 2] & 15
            text.append(digit >= 0x61 && nibble >= 8 ? digit - 32 : digit)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads an address a person typed: `0x` and 40 digits that are all lower case, all upper case
    /// or in the right EIP-55 spelling; `nil` for anything else, above all a wrong checksum.
    public init?(checking text: String) {
        guard text.hasPrefix("0x"), let address = EVMAddress(hex: text) else { return nil }
        let digits = text.dropFirst(2)
        guard
            digits == digits.lowercased() || digits == digits.uppercased()
                || text == address.checksummed
        else { return nil }
        self = address
    }
}
