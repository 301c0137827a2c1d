/// Objects: named properties in the schema's order, then any others.
extension SchemaCompiler {
    private struct Property {
        let name: String
        let place: SchemaPlace
        let isRequired: Bool
    }

    mutating func addObject(_ place: SchemaPlace, from: State, to: State) throws(SchemaError) {
        let other = try additional(place)
        let properties = try properties(place, other)
        if properties.isEmpty, case .bool(true)? = other?.schema {
            return try builder.anyObject(from: from, to: to)
        }
        let (inside, first, closing) = (
            try builder.state(), try builder.state(), try builder.state()
        )
        builder.read(0x7b, 0x7b, from: from, to: inside)
        try builder.space(from: inside, to: first)
        builder.read(0x7d, 0x7d, from: closing, to: to)
        if !properties.contains(where: \.isRequired) { builder.jump(from: first, to: closing) }
        // `pick` chooses the next property: the one at its place or, if that may be left out, a
        // later one.
        var pick = first
        for (number, property) in properties.enumerated() {
            let (colon, after) = (try builder.state(), try builder.state())
            try builder.text(OrderedJSON.quoted(property.name), from: pick, to: colon)
            let value = try builder.colon(from: colon)
            try add(property.place, from: value, to: after)
            let later = properties[(number + 1)...]
            if !later.contains(where: \.isRequired) {
                try builder.space(from: after, to: closing)
            }
            let next = try builder.state()
            if !property.isRequired { builder.jump(from: pick, to: next) }
            try addComma(from: after, to: next)
            pick = next
        }
        guard let other else { return }
        guard properties.allSatisfy({ $0.name.utf8.allSatisfy { (0x20..<0x80).contains($0) } })
        else {
            throw place.fault(
                .unsupportedKeyword, "additionalProperties beside names that are not ASCII")
        }
        let (colon, after) = (try builder.state(), try builder.state())
        try builder.name(besides: properties.map(\.name), from: pick, to: colon)
        let value = try builder.colon(from: colon)
        builder.call(try routine(other), from: value, to: after)
        try builder.space(from: after, to: closing)
        try addComma(from: after, to: pick)
    }

    private mutating func addComma(from: State, to: State) throws(SchemaError) {
        let comma = try builder.state()
        builder.read(0x2c, 0x2c, from: from, to: comma)
        try builder.space(from: comma, to: to)
    }

    /// The schema of properties that are not named. If it is not said whether there may be any,
    /// there are none unless no property is named at all.
    private func additional(_ place: SchemaPlace) throws(SchemaError) -> SchemaPlace? {
        let pointer = place.pointer + "/additionalProperties"
        switch place.schema["additionalProperties"] {
        case nil: return place.schema["properties"] == nil ? SchemaPlace(.bool(true), pointer) : nil
        case .bool(false): return nil
        case .some(let schema): return SchemaPlace(schema, pointer)
        }
    }

    /// The named properties in the schema's order, then those that are only required.
    private func properties(_ place: SchemaPlace, _ other: SchemaPlace?) throws(SchemaError)
        -> [Property]
    {
        var required: [String] = []
        switch place.schema["required"] {
        case nil: break
        case .array(let values):
            for value in values {
                guard case .string(let name) = value else {
                    throw place.fault(.invalidKeyword, "required is a list of names")
                }
                if !required.contains(name) { required.append(name) }
            }
        default: throw place.fault(.invalidKeyword, "required is a list of names")
        }
        var properties: [Property] = []
        switch place.schema["properties"] {
        case nil: break
        case .object(let fields):
            properties = fields.map { field in
                let name = field.name.replacing("~", with: "~0").replacing("/", with: "~1")
                return Property(
                    name: field.name,
                    place: SchemaPlace(field.value, "\(place.pointer)/properties/\(name)"),
                    isRequired: required.contains(field.name))
            }
        default: throw place.fault(.invalidKeyword, "properties is an object")
        }
        for name in required where !properties.contains(where: { $0.name == name }) {
            guard let schema = other ?? undeclared(place) else {
                throw place.fault(.impossible, "\(name) is required and not allowed")
            }
            properties.append(Property(name: name, place: schema, isRequired: true))
        }
        guard properties.count <= Self.maximumChoices else {
            throw place.fault(.tooComplex, "more than \(Self.maximumChoices) properties")
        }
        return properties
    }

    /// A required property without a schema may be anything, unless that is ruled out.
    private func undeclared(_ place: SchemaPlace) -> SchemaPlace? {
        place.schema["additionalProperties"] == nil
            ? SchemaPlace(.bool(true), place.pointer + "/required") : nil
    }
}
