// How a process ends: on SIGTERM it stops taking work, closes what it holds, and exits.
export function stopOnSignal(...steps) {
  const stop = async () => {
    for (const step of steps) await step();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
