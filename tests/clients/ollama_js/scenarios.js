// Each scenario asks a server through the official client, and prints what came as one JSON value.
//
// Usage: node scenarios.js ADDRESS SCENARIO [FILE]

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Ollama } from 'ollama'

const [address, name, file] = process.argv.slice(2)
const client = new Ollama({ host: address })
const asked = {
  model: 'cria',
  messages: [{ role: 'user', content: 'Hello' }],
  think: false,
  options: { temperature: 0 },
}
// Nothing but an abort ends this.
const endless = { ...asked, options: { temperature: 0, ignore_eos: true, num_predict: -1 } }

async function collected(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return parts
}

const scenarios = {
  chat: () => client.chat(asked),

  stream: async () => collected(await client.chat({ ...asked, stream: true })),

  generate: () => client.generate({ ...asked, prompt: 'Hello' }),

  embed: () => client.embed({ model: 'cria', input: ['a fox', 'a hen'] }),

  create: async () => {
    const data = await readFile(file)
    const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`
    const sent = await fetch(`${address}/api/blobs/${digest}`, { method: 'POST', body: data })
    const files = { 'model.gguf': digest }
    const made = await client.create({ model: 'zorbo', files, system: 'You are Zorbo.', stream: true })
    const lines = await collected(made)
    const shown = await client.show({ model: 'zorbo' })
    const listed = (await client.list()).models.map((model) => model.name)
    await client.delete({ model: 'zorbo' })
    return { sent: sent.status, lines, system: shown.system, listed }
  },

  abort: async () => {
    const stream = await client.chat({ ...endless, stream: true })
    let parts = 0
    let error = null
    try {
      for await (const part of stream) if (++parts === 3) stream.abort()
    } catch (caught) {
      error = caught.name
    }
    // With one seat at the server, this is answered only once the first has let go of it.
    const after = await client.chat(asked)
    return { parts, error, after: after.message.content }
  },

  error: async () => {
    try {
      return await client.chat({ ...asked, model: 'guanaco' })
    } catch (caught) {
      return { status: caught.status_code, message: caught.message }
    }
  },
}

console.log(JSON.stringify(await scenarios[name]()))
