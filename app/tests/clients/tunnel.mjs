// A forward proxy between a browser and the platform that can be cut like a cable: open connections die, new ones fail.
import http from 'node:http';
import net from 'node:net';

export async function openTunnel() {
  const sockets = new Set();
  let cut = false;
  const remember = (socket) => {
    if (sockets.has(socket)) return;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const server = http.createServer((request, response) => {
    const target = new URL(request.url);
    const onward = http.request(
      { host: target.hostname, port: target.port, path: target.pathname + target.search, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    onward.on('socket', remember);
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  // WebSockets come as CONNECT.
  server.on('connect', (request, client, head) => {
    const [host, port] = request.url.split(':');
    const onward = net.connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.write(head);
      onward.pipe(client);
      client.pipe(onward);
    });
    remember(onward);
    onward.on('close', () => client.destroy());
    client.on('close', () => onward.destroy());
  });
  server.on('connection', (socket) => {
    remember(socket);
    if (cut) socket.destroy();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    cut() {
      cut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      cut = false;
    },
    close: () => server.close(),
  };
}
