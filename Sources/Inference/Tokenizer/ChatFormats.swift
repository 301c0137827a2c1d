extension ChatFormat {
    typealias Turn = TurnFormat.Turn

    /// The formats this engine knows.
    static let all = chatMLs + llamas + gemmas + mistrals + phis + deepSeeks + others

    private static let chatMLs: [ChatFormat] = [
        .chatML("chatml"),
        .chatML(
            "smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
        .chatML("qwen2", "You are a helpful assistant."),
        .chatML("qwen2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
        ChatFormat("qwen3", .qwen3, tokens: ["<|im_start|>", "<|im_end|>"]),
    ]

    private static let llamas: [ChatFormat] = {
        let answer = "<|start_header_id|>assistant<|end_header_id|>\n\n"
        let tokens = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
        var llama3 = TurnFormat(
            opening: "{bos}",
            roles: .named("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>"),
            strips: .all, prompt: answer)
        var always = llama3
        always.promptless = answer
        var dated = llama3
        // Llama 3.2 puts in today's date where it can; a prompt must not depend on the day.
        dated.system = .always(
            Turn(
                "<|start_header_id|>system<|end_header_id|>\n\n"
                    + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
                "<|eot_id|>"))
        let llama2 = TurnFormat(
            roles: .fixed(
                user: Turn("{bos}[INST] ", " [/INST]"), assistant: Turn(" ", " {eos}"),
                system: nil, others: .ignored),
            system: .inFirst(Turn("<<SYS>>\n", "\n<</SYS>>\n\n")), strips: .all, alternates: true)
        return [
            ChatFormat("llama-2", .turns(llama2)),
            ChatFormat("llama-3", .turns(llama3), tokens: tokens),
            ChatFormat("llama-3-always", .turns(always), tokens: tokens),
            ChatFormat("llama-3.1", .turns(dated), tokens: tokens),
        ]
    }()

    private static let gemmas: [ChatFormat] = {
        let tokens = ["<start_of_turn>", "<end_of_turn>"]
        var plain = TurnFormat(
            roles: .gemma("<start_of_turn>", "\n", "<end_of_turn>\n"), system: .refused,
            strips: .all, alternates: true, prompt: "<start_of_turn>model\n")
        var gemma = plain
        gemma.opening = "{bos}"
        var gemma3 = gemma
        gemma3.system = .inFirst(Turn("", "\n\n"))
        return [
            ChatFormat("gemma-plain", .turns(plain), tokens: tokens),
            ChatFormat("gemma", .turns(gemma), tokens: tokens),
            ChatFormat("gemma-3", .turns(gemma3), tokens: tokens),
        ]
    }()

    private static let mistrals: [ChatFormat] = {
        func format(
            _ user: Turn, _ assistant: Turn, system: Turn? = nil,
            first: TurnFormat.System = .turn, strips: TurnFormat.Strips = .nothing,
            alternates: Bool = true
        ) -> ChatFormat.Layout {
            .turns(
                TurnFormat(
                    opening: "{bos}",
                    roles: .fixed(
                        user: user, assistant: assistant, system: system, others: .refused),
                    system: first, strips: strips, alternates: alternates))
        }
        let inside = Turn("", "\n\n")
        return [
            ChatFormat("mistral", format(Turn("[INST] ", " [/INST]"), Turn("", "{eos}"))),
            ChatFormat(
                "mistral-v1",
                format(
                    Turn(" [INST] ", " [/INST]"), Turn(" ", "{eos}"), first: .inFirst(inside))),
            ChatFormat(
                "mistral-v3",
                format(
                    Turn("[INST] ", "[/INST]"), Turn(" ", "{eos}"), first: .inLast(inside),
                    strips: .assistant)),
            ChatFormat(
                "mistral-nemo",
                format(Turn("[INST]", "[/INST]"), Turn("", "{eos}"), first: .inLast(inside))),
            ChatFormat(
                "mistral-v7",
                format(
                    Turn("[INST] ", "[/INST]"), Turn(" ", "{eos}"),
                    system: Turn("[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"), alternates: false)),
        ]
    }()

    private static let phis: [ChatFormat] = {
        let medium = TurnFormat(
            roles: .fixed(
                user: Turn("<|user|>\n", "<|end|>\n<|assistant|>\n"),
                assistant: Turn("", "<|end|>\n"), system: nil, others: .ignored))
        var mini = medium
        mini.opening = "{bos}"
        let vision = TurnFormat(
            roles: .named("<|", "|>\n", "<|end|>\n"), prompt: "<|assistant|>\n",
            answersOnlyUser: true)
        var small = vision
        small.opening = "{bos}"
        small.promptless = "{eos}"
        small.answersOnlyUser = false
        let phi35 = TurnFormat(
            roles: .fixed(
                user: Turn("<|user|>\n", "<|end|>\n"),
                assistant: Turn("<|assistant|>\n", "<|end|>\n"),
                system: Turn("<|system|>\n", "<|end|>\n"), others: .ignored),
            prompt: "<|assistant|>\n", promptless: "{eos}", dropsEmptySystem: true)
        let phi4 = TurnFormat(
            roles: .fixed(
                user: Turn(
                    "<|im_start|>user<|im_sep|>",
                    "<|im_end|><|im_start|>assistant<|im_sep|>"),
                assistant: Turn("", "<|im_end|>"),
                system: Turn("<|im_start|>system<|im_sep|>", "<|im_end|>"), others: .ignored))
        return [
            ChatFormat("phi-3-mini", .turns(mini), tokens: ["<|end|>"]),
            ChatFormat("phi-3-small", .turns(small), tokens: ["<|end|>"]),
            ChatFormat("phi-3-medium", .turns(medium), tokens: ["<|end|>"]),
            ChatFormat("phi-3-vision", .turns(vision), tokens: ["<|end|>"]),
            ChatFormat("phi-3.5", .turns(phi35), tokens: ["<|end|>"]),
            ChatFormat("phi-4", .turns(phi4), tokens: ["<|im_start|>", "<|im_sep|>"]),
        ]
    }()

    private static let deepSeeks: [ChatFormat] = {
        let v2 = TurnFormat(
            opening: "{bos}",
            roles: .fixed(
                user: Turn("User: ", "\n\n"), assistant: Turn("Assistant: ", "{eos}"),
                system: Turn("", "\n\n"), others: .ignored),
            prompt: "Assistant:")
        let coder = TurnFormat(
            opening: "{bos}",
            roles: .fixed(
                user: Turn("### Instruction:\n", "\n"),
                assistant: Turn("### Response:\n", "\n<|EOT|>\n"), system: Turn("", ""),
                others: .likeAssistant),
            prompt: "### Response:\n",
            withoutSystem: "You are an AI programming assistant, utilizing the Deepseek Coder "
                + "model, developed by Deepseek Company, and you only answer questions related to "
                + "computer science. For politically sensitive questions, security and privacy "
                + "issues, and other non-computer science questions, you will refuse to answer\n")
        let tokens = ["<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"]
        return [
            ChatFormat("deepseek-v2", .turns(v2)),
            ChatFormat("deepseek-coder", .turns(coder)),
            ChatFormat("deepseek-r1", .deepSeekR1("<｜Assistant｜><think>\n"), tokens: tokens),
            ChatFormat(
                "deepseek-r1-quiet", .deepSeekR1("<｜Assistant｜><think>\n</think>"),
                tokens: tokens),
        ]
    }()

    private static let others: [ChatFormat] = {
        let zephyr = TurnFormat(
            roles: .fixed(
                user: Turn("<|user|>\n", "{eos}\n"), assistant: Turn("<|assistant|>\n", "{eos}\n"),
                system: Turn("<|system|>\n", "{eos}\n"), others: .ignored),
            prompt: "<|assistant|>\n")
        let start = "<|START_OF_TURN_TOKEN|>"
        let end = "<|END_OF_TURN_TOKEN|>"
        let commandR = TurnFormat(
            opening: "{bos}",
            roles: .fixed(
                user: Turn(start + "<|USER_TOKEN|>", end),
                assistant: Turn(start + "<|CHATBOT_TOKEN|>", end), system: nil, others: .ignored),
            system: .before(Turn(start + "<|SYSTEM_TOKEN|>", end)), strips: .all,
            alternates: true, prompt: start + "<|CHATBOT_TOKEN|>")
        return [
            ChatFormat("zephyr", .turns(zephyr)),
            ChatFormat("command-r", .turns(commandR), tokens: [start, end]),
        ]
    }()

    /// SHA-256 of the Jinja texts of models, without a line end at the end, and the formats they
    /// give; where they are from says Tests/Fixtures/chat-templates/vectors.json.
    static let fingerprints: [String: String] = [
        "fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e": "chatml",
        "9db2cf47ce03bfd0aab6ec59942503714fa0372f09f7e1d54cbcd71a1110b863": "command-r",
        "993c0af704bad76aeba4263a5318f7873a06420a8eb7d40b72a49c39599c0a66": "deepseek-coder",
        "dd2675619a64a449cdcdd2b93e605a0a50764cee41e344f244752bc93643936c": "deepseek-r1",
        "bbe594884b44d740667ee65a70bc8d333a565eab3d63ea59f291ea73ada84ba6": "deepseek-r1-quiet",
        "56a1447ad31926fdc21fb07e56e5642bd9c850c4f52d8c8af7bbe5f079a84f5f": "deepseek-r1",
        "8aeba567270fa9a8d5372caf4b04affea947c4421d96adc01e3ff94021b0ae8e": "deepseek-v2",
        "8d9e3a3c114fb2053ec500184677af4f7e5f8ec2582443cd535834e68b3ade29": "gemma-3",
        "3c050259279da4341947d5f012aadc5975af71c235e71ef7e520531aaec17a86": "gemma-plain",
        "ecd6ae513fe103f0eb62e8ab5bfa8d0fe45c1074fa398b089c93a7e70c15cfd6": "gemma",
        "e8d5b5a546d3f19df16a5320c614fab05bdc4edd50e850f1afd947b503ea41cf": "llama-2",
        "b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2": "llama-3-always",
        "93c0e9aa3629bbd77e68dbc0f5621f6e6b23aa8d74b932595cdb8d64684526d7": "llama-3.1",
        "d82792f95932f1c9cef5c4bd992f171225e3bf8c7b609b4557c9e1ec96be819f": "llama-3.1",
        "ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122": "llama-3",
        "e7deee034838db2bfc7487788a3013d8a307ab69f72f3c54a85f06fd76007d4e": "mistral-nemo",
        "bbc58aad99454df60138be9530c9601a0adfe3d8932cda975e1f10b2410ddc51": "mistral-v1",
        "cafb64e0e9e5fd2503054b3479593fae39cbdfd52338ce8af9bb4664a8eb05bd": "mistral-v3",
        "3c4ad5fa60dd8c7ccdf82fa4225864c903e107728fcaf859fa6052cb80c92ee9": "mistral-v7",
        "26a59556925c987317ce5291811ba3b7f32ec4c647c400c6cc7e3a9993007ba7": "mistral",
        "605841622bcb6572225608f09ec2afcdfb9fb50844ef52715a12689f7b9278b1": "phi-3-medium",
        "268b6082ceb7176dc6ed80557a2f7837f9f0339592fbee677d405a553af15f88": "phi-3-mini",
        "b0e53f5e7bae6fdb93013abeceef343e8841cce87def2601e7269a53439b5740": "phi-3-small",
        "79e4ca4b7d902dc73772bbde0c62459f93871f4c17827e8e41ad3fa663e0da04": "phi-3-vision",
        "78d976a442bcde2f0be15aafbb8e3050e1104f86732266f68403251b89982a90": "phi-3.5",
        "a41fb8727c4f1e722e53cb1ea935038a1177b8bdf09387f3b048f9da5255ef3e": "phi-4",
        "55b2f4a26ac9ee719330a61a0c39d9e538b0e9322212f048326318cff4f8674a": "qwen2.5",
        "793202280c0910ab26bc6eb57c8212c2417324c6d8c4efd0d10d59092ab3e3eb": "qwen2",
        "87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5": "qwen3",
        "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788": "smollm2",
        "4f39e3a4b9e3d369b42fd00d93a78f171914bb4e58ec84fc420433d7a153288a": "zephyr",
    ]
}
