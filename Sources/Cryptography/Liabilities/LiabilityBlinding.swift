import Primitives

/// The secret that blinds a tree, and what is derived from it (docs/reference/liabilities.md).
struct LiabilityBlinding {
    /// In how many leaves what a holder is owed is divided.
    static let parts: UInt8 = 2

    private let salt: [UInt8]
    private let place: [UInt8]

    /// The blinding of one tree: the house's secret salt, and what the tree is of.
    init(salt: [UInt8], batch: BatchID, sequence: UInt64, head: Digest) {
        var writer = ByteWriter()
        writer.write(batch)
        writer.write(sequence)
        writer.write(head)
        self.salt = salt
        place = writer.bytes
    }

    /// What a holder is told: from it follow the blinds of its own leaves and of no others.
    func nonce(of holder: EVMAddress) -> Digest {
        derive("exchequer.liability.nonce.v1", key: salt) { writer in
            writer.writeRaw(place)
            writer.write(holder)
        }
    }

    /// The hash of a leaf that stands for nobody.
    func padding(_ number: UInt64) -> Digest {
        derive("exchequer.liability.padding.v1", key: salt) { writer in
            writer.writeRaw(place)
            writer.write(number)
        }
    }

    /// What is mixed into the leaf of one part.
    static func blind(_ nonce: Digest, part: UInt8) -> Digest {
        derive("exchequer.liability.blind.v1", key: nonce.bytes) { $0.write(part) }
    }

    /// What is owed in two parts that say little about the whole: in each asset the first is a
    /// random share of it, in 2^-64ths.
    static func split(_ sums: AssetSums, nonce: Digest) -> [AssetSums] {
        let random = derive("exchequer.liability.split.v1", key: nonce.bytes) { _ in }.words
        var (first, second) = (AssetSums.zero, AssetSums.zero)
        for (asset, share) in [(Asset.usd, random.0), (.tly, random.1)] {
            let product = sums[asset].units.multipliedFullWidth(by: UInt128(share))
            first[asset] = Amount(product.high << 64 | product.low >> 64)
            second[asset] = sums[asset] - first[asset]
        }
        return [first, second]
    }

    private func derive(
        _ purpose: String, key: [UInt8], _ body: (inout ByteWriter) -> Void
    ) -> Digest {
        Self.derive(purpose, key: key, body)
    }

    private static func derive(
        _ purpose: String, key: [UInt8], _ body: (inout ByteWriter) -> Void
    ) -> Digest {
        var writer = ByteWriter()
        writer.write(purpose)
        body(&writer)
        return BLAKE2b.hash(writer.bytes, key: key)
    }
}
