// Node's Socket.IO server as its documentation shows it, websockets only; told by lines on stdin what to do, like
// fanout_server.py:  broadcast <count> <pause_s> | spread <count> | rss | cpu
// NODE_ENV=production node --expose-gc server.mjs
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Server } from 'socket.io'

const FILLING = 'x'.repeat(64)
const PAGE = 4096

const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })
let users = 0

io.use((socket, next) => {
  createHmac('sha256', 'benchmark').update(socket.handshake.auth.token).digest()
  next()
})

io.on('connection', (socket) => {
  socket.join(`user:${users++}`)
  socket.join('post:1')
})

const broadcast = () => io.to('post:1').emit('tick', { t: Number(process.hrtime.bigint()), x: FILLING })

async function broadcasts(count, pause_s) {
  for (let i = 0; i < count; i++) {
    const sent = performance.now()
    broadcast()
    if (pause_s) await sleep(Math.max(0, pause_s * 1000 - (performance.now() - sent)))
  }
}

async function spread(count) {
  for (let i = 0; i < count; i++) {
    broadcast()
    await turn()
  }
}

function resident() {
  globalThis.gc()
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * PAGE
}

function cpu() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, async () => {
  console.log(http.address().port)
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, count, pause_s] = line.split(' ')
    if (command === 'broadcast') await broadcasts(Number(count), Number(pause_s))
    if (command === 'spread') await spread(Number(count))
    console.log(command === 'rss' ? resident() : cpu())
  }
  process.exit()
})
