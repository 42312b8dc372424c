// Makes the replica set of one and its users, or brings their passwords in line with .env; safe to repeat.
const { MONGO_ROOT_PASSWORD, MONGO_PASSWORD, MONGO_MONITOR_PASSWORD } = process.env;
const set = { _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] };
const admin = new Mongo(`mongodb://root:${MONGO_ROOT_PASSWORD}@mongo:27017/?directConnection=true`).getDB("admin");

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.adminCommand({ replSetInitiate: set });
}
for (let waited = 0; !admin.adminCommand({ hello: 1 }).isWritablePrimary; waited += 1) {
  if (waited === 300) throw new Error("no primary after 60 s");
  sleep(200);
}

function user(name, pwd, roles) {
  if (admin.getUser(name)) admin.updateUser(name, { pwd, roles });
  else admin.createUser({ user: name, pwd, roles });
}
user("plaza", MONGO_PASSWORD, [{ role: "readWrite", db: "plaza" }]);
user("monitor", MONGO_MONITOR_PASSWORD, [{ role: "clusterMonitor", db: "admin" }, { role: "read", db: "local" }]);
print("replica set rs0 and its users are there");
