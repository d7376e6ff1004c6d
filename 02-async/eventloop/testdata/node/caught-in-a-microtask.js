const p = Promise.reject(new Error("late"))
queueMicrotask(() => p.catch((err) => console.log("caught " + err.message)))
setTimeout(() => console.log("timeout"), 0)
